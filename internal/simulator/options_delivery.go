// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
)

// RetryTimestamp is what a retry's X-Cld-Timestamp is.
type RetryTimestamp string

// Values of RetryTimestamp.
const (
	// RetrySame repeats the first attempt's timestamp and signatures. The default.
	RetrySame RetryTimestamp = "same"
	// RetryFresh signs each attempt anew, with the time at which it is sent.
	RetryFresh RetryTimestamp = "fresh"
)

// Schedule are the times of the retries, counted from the first attempt.
type Schedule []time.Duration

// String writes the schedule as its flag takes it.
func (s Schedule) String() string {
	if len(s) == 0 {
		return scheduleNone
	}
	times := make([]string, 0, len(s))
	for _, d := range s {
		times = append(times, d.String())
	}
	return strings.Join(times, ",")
}

const (
	scheduleNone       = "none"
	maxRetries         = 20
	maxConcurrency     = 1000
	maxDeliveryHistory = 100000
)

// DeliveryOptions are the switches of how notifications are sent.
type DeliveryOptions struct {
	SignatureAlgorithm sample.Algorithm
	// Ed25519Seed is the private key of X-Cld-Signature_v2, 64 hex digits. Absent: a new key.
	Ed25519Seed string
	// RetrySchedule is when a notification that was not answered 200 is sent again. Nil: 3, 6 and 9 minutes; empty: never.
	RetrySchedule  Schedule
	RetryTimestamp RetryTimestamp
	// Timeout is how long one attempt may take, from connecting to the answer.
	Timeout time.Duration
	// Concurrency is how many attempts there are at once.
	Concurrency int
	// History is how many deliveries that ended are remembered.
	History          int
	TemplateEscaping firing.Escaping
	// Forwards take the place of load balancers in front of receivers.
	Forwards []Forward
}

func (o *DeliveryOptions) setDefaults() {
	orDefault(&o.SignatureAlgorithm, sample.SHA1)
	orDefault(&o.RetryTimestamp, RetrySame)
	orDefault(&o.Timeout, DefaultDeliveryTimeout)
	orDefault(&o.Concurrency, DefaultDeliveryConcurrency)
	orDefault(&o.History, DefaultDeliveryHistory)
	orDefault(&o.TemplateEscaping, firing.EscapeHTML)
	if o.RetrySchedule == nil {
		o.RetrySchedule = Schedule{3 * time.Minute, 6 * time.Minute, 9 * time.Minute}
	}
}

func (o *DeliveryOptions) validate() error {
	return errors.Join(
		oneOf("signature-algorithm", o.SignatureAlgorithm, sample.SHA1, sample.SHA256),
		oneOf("retry-timestamp", o.RetryTimestamp, RetrySame, RetryFresh),
		oneOf("template-escaping", o.TemplateEscaping, firing.EscapeHTML, firing.EscapeNone),
		named("ed25519-seed", o.Ed25519Seed, validSeed),
		named("retry-schedule", o.RetrySchedule, validSchedule),
		notNegative("delivery-timeout", o.Timeout),
		named("delivery-concurrency", o.Concurrency, between(1, maxConcurrency)),
		named("delivery-history", o.History, between(1, maxDeliveryHistory)),
		named("forward", o.Forwards, validForwards),
	)
}

func named[T any](name string, value T, check func(T) error) error {
	if err := check(value); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func between(low, high int) func(int) error {
	return func(number int) error {
		if number < low || number > high {
			return fmt.Errorf("must be a number from %d to %d", low, high)
		}
		return nil
	}
}

func validForwards(forwards []Forward) error {
	for _, f := range forwards {
		if _, err := parseForward(f.From + "=" + f.To); err != nil {
			return err
		}
	}
	return nil
}

func validSchedule(s Schedule) error {
	if len(s) > maxRetries {
		return fmt.Errorf("must have at most %d times", maxRetries)
	}
	var last time.Duration
	for _, d := range s {
		if d <= last {
			return errors.New("must be times above 0, each after the one before it, such as 3m,6m,9m")
		}
		last = d
	}
	return nil
}

func validSeed(seed string) error {
	if bytes, err := hex.DecodeString(seed); err != nil || (seed != "" && len(bytes) != ed25519.SeedSize) {
		return fmt.Errorf("must be %d hex digits", 2*ed25519.SeedSize)
	}
	return nil
}

// ed25519Key is the key of the seed or, without one, a new key.
func ed25519Key(seed string) (ed25519.PrivateKey, error) {
	if err := validSeed(seed); err != nil {
		return nil, fmt.Errorf("ed25519-seed: %w", err)
	}
	bytes, err := hex.DecodeString(seed)
	if err != nil || len(bytes) == 0 {
		bytes = make([]byte, ed25519.SeedSize)
		// crypto/rand.Read never returns an error.
		_, _ = rand.Read(bytes)
	}
	return ed25519.NewKeyFromSeed(bytes), nil
}

func (o *DeliveryOptions) registerFlags(flags *flag.FlagSet) {
	enum(flags, &o.SignatureAlgorithm, "signature-algorithm", "digest of X-Cld-Signature", sample.SHA1, sample.SHA256)
	flags.Var(parsedValue[string]{&o.Ed25519Seed, parseSeed}, "ed25519-seed",
		"private key of X-Cld-Signature_v2 in hex; a new one without it. What is signed is not published: body and timestamp, hex, is assumed")
	flags.Var(parsedValue[Schedule]{&o.RetrySchedule, parseSchedule}, "retry-schedule",
		"when a notification that was not answered 200 is sent again, counted from the first attempt; or none")
	enum(flags, &o.RetryTimestamp, "retry-timestamp", "X-Cld-Timestamp of a retry", RetrySame, RetryFresh)
	flags.Var(parsedValue[time.Duration]{&o.Timeout, positive}, "delivery-timeout", "how long one attempt may take")
	flags.Var(parsedValue[int]{&o.Concurrency, parseBetween(1, maxConcurrency)}, "delivery-concurrency", "attempts at once")
	flags.Var(parsedValue[int]{&o.History, parseBetween(1, maxDeliveryHistory)}, "delivery-history",
		"deliveries that are remembered after they ended")
	enum(flags, &o.TemplateEscaping, "template-escaping", "what {{name}} in a payload template escapes", firing.EscapeHTML, firing.EscapeNone)
	flags.Func("forward", "what is sent to the first `address=address` goes to the second, as from a load balancer in front of a receiver (repeatable)",
		func(text string) error {
			f, err := parseForward(text)
			if err == nil {
				o.Forwards = append(o.Forwards, f)
			}
			return err
		})
}

func parseSeed(text string) (string, error) {
	if text == "" {
		return "", validSeed("0")
	}
	return text, validSeed(text)
}

func parseBetween(low, high int) func(string) (int, error) {
	return func(text string) (int, error) {
		number, err := strconv.Atoi(text)
		if err != nil {
			number = low - 1
		}
		return number, between(low, high)(number)
	}
}

func parseSchedule(text string) (Schedule, error) {
	schedule := Schedule{}
	if text == scheduleNone {
		return schedule, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		// What is no duration is 0, which no schedule may hold.
		d, err := time.ParseDuration(strings.TrimSpace(part))
		if err != nil {
			d = 0
		}
		schedule = append(schedule, d)
	}
	return schedule, validSchedule(schedule)
}
