// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

// Host is the host of every URL that the check makes a trigger for. Nothing can ever be sent there, and a trigger at it is this
// check's own, whoever lists it.
const Host = "cloudinary-operator-live-check.invalid"

// The event types of the check's triggers: such as seldom happen, as each costs Cloudinary an attempt to send it.
const (
	eventType      = "sprite"
	otherEventType = "explode"
)

// What an Options field means where it is not set.
const (
	DefaultURLLimit = 30
	DefaultPatience = time.Minute
)

const (
	// freeURLs is how many URLs the check needs at once, without filling the limit.
	freeURLs = 2
	// maxCalls is the most that a check needs without filling the limit. A test holds it.
	maxCalls = 60
	// beyondLimit is how many URLs more than the expected limit are tried before there is taken to be none.
	beyondLimit = 5
)

// Options say how to check.
type Options struct {
	// Transport makes the calls. Nil: one of the client's own.
	Transport http.RoundTripper
	UserAgent string
	// Timeout bounds each call. Not positive: the client's default.
	Timeout time.Duration
	// Now and Sleep are the clock; both are required. Sleep returns early where the context ends.
	Now   func() time.Time
	Sleep func(context.Context, time.Duration)
	// Patience is how long a write may take to show in the list. Not positive: DefaultPatience.
	Patience time.Duration
	// URLLimit is how many URLs the environment is expected to allow. Not positive: DefaultURLLimit.
	URLLimit int
	// FillLimit fills the environment with URLs to see the limit.
	FillLimit bool
	// Force goes on where too few calls may be left in the hour.
	Force bool
	// Progress is told what is done. Nil: nobody.
	Progress io.Writer
}

func (o *Options) setDefaults() {
	if o.Transport == nil {
		o.Transport = cloudinary.NewTransport()
	}
	if o.Patience <= 0 {
		o.Patience = DefaultPatience
	}
	if o.URLLimit <= 0 {
		o.URLLimit = DefaultURLLimit
	}
	if o.Progress == nil {
		o.Progress = io.Discard
	}
}

// CallsNeeded is how many calls a check may need, the cleaning up included, where nothing fails.
func CallsNeeded(urlLimit int, fillLimit bool) int {
	if !fillLimit {
		return maxCalls
	}
	return maxCalls + 2*(urlLimit+beyondLimit)
}

// check is one run. It is used by one goroutine.
type check struct {
	options  Options
	client   *cloudinary.Client
	recorder *recorder
	ledger   *ledger
	report   Report

	base string // of the check's URLs
	made int    // how many there were
	used int    // different URLs that others have

	lag lag
	// language is the filter_language that is sent with filters; empty: none.
	language string
	// scheme is the auth_scheme of a trigger that was created without one; empty: the list does not show it.
	scheme string
	// main is the trigger that most questions are asked of.
	main subject
}

// subject is a trigger of the check's own, and what is known of it.
type subject struct {
	id   string
	spec cloudinary.TriggerSpec
	last shown
	// hidden are the optional fields that the list does not show.
	hidden []string
	// settable are those that a PUT was seen to change, or would be if the list showed them.
	settable []string
}

// Run asks every question. The report holds what was found out, also beside an error, which means that the check failed or could not
// clean up; a surprising verdict is none.
func Run(ctx context.Context, credentials cloudinary.Credentials, options Options) (report Report, err error) {
	options.setDefaults()
	c := &check{
		options:  options,
		recorder: &recorder{next: options.Transport},
		ledger:   newLedger(),
		report:   newReport(credentials.Environment().String()),
		base:     "https://" + Host + "/" + strings.ToLower(rand.Text()),
	}
	c.client = cloudinary.NewClient(credentials, cloudinary.ClientOptions{
		Transport: c.recorder, UserAgent: options.UserAgent, Timeout: options.Timeout, Now: options.Now,
		Bases: cloudinary.OneAPIBase(credentials.Environment().APIBase), // the caller's own choice
	})
	// Deferred, so that a panic cleans up as well.
	defer func() {
		err = errors.Join(err, c.sweep(context.WithoutCancel(ctx)))
		c.conclude()
		report = c.report
	}()
	return c.report, c.ask(ctx)
}

func (c *check) ask(ctx context.Context) error {
	if err := c.survey(ctx); err != nil {
		return err
	}
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"create", c.probeDefaults},
		{"create with every field", c.probeFields},
		{"duplicates", c.probeDuplicates},
		{"update of the URL alone", c.probeLeftOut},
		{"update of every field", c.probePutFields},
		{"update without a move", c.probeSameURL},
		{"clearing", c.probeClearing},
		{"refusals", c.probeRefusals},
		{"operators of filters", c.probeOperators},
		{"the limit of URLs", c.probeLimit},
		{"delete", c.probeDelete},
	} {
		c.say("%s", step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (c *check) say(format string, values ...any) {
	fmt.Fprintf(c.options.Progress, format+"\n", values...)
}

// survey looks at the environment before anything is written, and refuses one that has no room.
func (c *check) survey(ctx context.Context) error {
	triggers, meta, err := c.list(ctx)
	if err != nil {
		return err
	}
	var leftovers []shown
	urls := map[string]bool{}
	for _, t := range triggers {
		switch {
		case isOurs(t.Trigger):
			leftovers = append(leftovers, t)
		case t.URIType == "webhook" || t.URIType == "":
			urls[t.URI] = true
			fallthrough
		default:
			c.ledger.foreign[t.ID] = true
		}
	}
	c.used = len(urls)
	c.say("%s holds %d triggers at %d different URLs, and %d left by an earlier check",
		c.report.Environment, len(triggers)-len(leftovers), c.used, len(leftovers))
	if err := c.afford(meta, CallsNeeded(c.options.URLLimit, c.options.FillLimit)+2*len(leftovers)); err != nil {
		return err
	}
	for _, t := range leftovers {
		c.say("deleting trigger %s, left by an earlier check", t.ID)
		if err := c.ledger.add(t.ID); err != nil {
			return err
		}
		if err := c.remove(ctx, t.ID); err != nil && !cloudinary.IsNotFound(err) {
			return err
		}
	}
	if c.used+freeURLs > c.options.URLLimit {
		return fmt.Errorf("the environment uses %d of %d notification URLs and the check needs %d free ones: remove some, or give --url-limit if more are allowed",
			c.used, c.options.URLLimit, freeURLs)
	}
	return nil
}

// afford refuses to start where the hour's calls may not suffice, also to clean up.
func (c *check) afford(meta cloudinary.Meta, needed int) error {
	if meta.RateLimit == nil {
		c.answer("rate-limit", noHeaders, "the answers do not say how many calls are left")
		return nil
	}
	c.answer("rate-limit", strconv.Itoa(meta.RateLimit.Limit), "%d were left after the first call", meta.RateLimit.Remaining)
	if meta.RateLimit.Remaining >= needed || c.options.Force {
		return nil
	}
	return fmt.Errorf("%d calls are left in this hour, and the check may need %d: wait until %s, or give --force",
		meta.RateLimit.Remaining, needed, meta.RateLimit.Reset.Format(time.DateTime+" MST"))
}

// newURL is one of the check's own URLs that no trigger had before.
func (c *check) newURL() string {
	c.made++
	return c.base + "/" + strconv.Itoa(c.made)
}

// isOurs reports whether this check, or an earlier one, made the trigger.
func isOurs(t cloudinary.Trigger) bool {
	parsed, err := url.Parse(t.URI)
	return err == nil && strings.EqualFold(parsed.Hostname(), Host) && (t.URIType == "webhook" || t.URIType == "")
}

// answer records a verdict and what it is based on.
func (c *check) answer(id, verdict, seen string, values ...any) {
	i := slices.IndexFunc(c.report.Answers, func(a Answer) bool { return a.Question == id })
	// Some of it may be a server's words, which must not steer a terminal or break the table.
	c.report.Answers[i].Verdict, c.report.Answers[i].Seen = verdict, strings.Map(printable, fmt.Sprintf(seen, values...))
}

func printable(r rune) rune {
	if unicode.IsPrint(r) {
		return r
	}
	return '?'
}

// verdict is what was answered so far.
func (c *check) verdict(id string) string {
	return c.report.Verdict(id)
}
