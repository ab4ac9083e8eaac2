// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// pace is how long Cloudinary waits for an answer, and after what time it sends again.
type pace struct {
	timeout  time.Duration
	schedule simulator.Schedule
}

// documented is Cloudinary's own.
func documented() pace {
	return pace{20 * time.Second, simulator.Schedule{3 * time.Minute, 6 * time.Minute, 9 * time.Minute}}
}

// paceHere is Cloudinary's own, made E2E_HURRY times as fast, so that nobody waits for minutes. That makes it harder for the receiver: what has
// its 200 at this pace has it at Cloudinary's.
func paceHere(t *testing.T) pace {
	t.Helper()
	hurry := 10
	if given := os.Getenv("E2E_HURRY"); given != "" {
		var err error
		if hurry, err = strconv.Atoi(given); err != nil || hurry < 1 {
			t.Fatalf("E2E_HURRY: %q is no number of 1 or more", given)
		}
	}
	fast := documented()
	fast.timeout /= time.Duration(hurry)
	for i := range fast.schedule {
		fast.schedule[i] /= time.Duration(hurry)
	}
	return fast
}

// rollOutUnderLoad sends 20 notifications a second while the receiver is replaced. Meanwhile some are refused. Cloudinary sends them again
// by its schedule, without help: each has its 200 in the end, and the target has each.
func (c *cluster) rollOutUnderLoad() {
	before := len(c.received())
	c.forgetDeliveries()
	c.underLoad(func() error {
		if _, err := c.run("kubectl", "rollout", "restart", "-n", operatorNamespace, "deployment/"+receiver); err != nil {
			return err
		}
		_, err := c.run("kubectl", "rollout", "status", "--timeout=170s", "-n", operatorNamespace, "deployment/"+receiver)
		return err
	})
	c.allAnswered()
	sent := c.deliveries()
	c.eventually("the target has each of them", c.hasReceived(before+len(sent)))
	c.judgeGap(sent)
}

// underLoad sends notifications until something is done, and two seconds longer.
func (c *cluster) underLoad(do func() error) {
	c.Helper()
	done := make(chan error, 1)
	go func() {
		err := do()
		time.Sleep(2 * time.Second)
		done <- err
	}()
	for {
		select {
		case err := <-done:
			if err != nil {
				c.Fatal(err)
			}
			return
		case <-time.After(250 * time.Millisecond):
			c.upload(5)
		}
	}
}

// judgeGap holds the time in which nothing was answered 200 against Cloudinary's own schedule: where it is shorter than the time to the first
// retry, whatever was refused in it has its 200 at that retry.
func (c *cluster) judgeGap(sent []simulator.Delivery) {
	c.Helper()
	var answers []time.Time
	attempts := map[int]int{}
	for _, d := range sent {
		attempts[len(d.Attempts)]++
		if len(d.Attempts) == 1 { // When a retry comes says nothing: there is none in between.
			answers = append(answers, c.answeredAt(d.Attempts[0]))
		}
	}
	slices.SortFunc(answers, time.Time.Compare)
	var gap time.Duration
	for i := 1; i < len(answers); i++ {
		gap = max(gap, answers[i].Sub(answers[i-1]))
	}
	for _, n := range slices.Sorted(maps.Keys(attempts)) {
		c.Logf("%d of %d notifications had their 200 at attempt %d", attempts[n], len(sent), n)
	}
	c.Logf("for %s nothing was answered 200; retries came after %s here, and come after %s from Cloudinary", gap, c.pace.schedule, documented().schedule)
	if attempts[1] == len(sent) {
		c.Error("nothing was refused, so that this says nothing about retries")
	}
	if first := documented().schedule[0]; gap >= first {
		c.Errorf("for %s nothing was answered 200: Cloudinary's first retry, after %s, is not enough", gap, first)
	}
}

func (c *cluster) answeredAt(a simulator.Attempt) time.Time {
	c.Helper()
	at, err := time.Parse(time.RFC3339Nano, a.At)
	if err != nil {
		c.Fatal(err)
	}
	took, err := time.ParseDuration(a.Duration)
	if err != nil {
		c.Fatal(err)
	}
	return at.Add(took)
}

// upload has Cloudinary notify of n uploads.
func (c *cluster) upload(n int) {
	c.Helper()
	if err := c.post(c.simulator+"/_sim/notify", fmt.Sprintf(`{"event_type":"upload","count":%d}`, n)); err != nil {
		c.Fatal(err)
	}
}

// allAnswered waits until each notification has its 200, for as long as Cloudinary may take to send it again.
func (c *cluster) allAnswered() {
	c.Helper()
	c.within(patience+c.pace.schedule[len(c.pace.schedule)-1], "each notification has its 200", func() error {
		var list struct {
			Total  int            `json:"total"`
			States map[string]int `json:"states"`
		}
		if err := c.get(c.simulator+"/_sim/deliveries?limit=0&event_type=upload", &list); err != nil {
			return err
		}
		if list.States["failed"] > 0 {
			c.Fatalf("Cloudinary has given up: of %d notifications %v", list.Total, list.States)
		}
		if list.States["delivered"] < list.Total {
			return fmt.Errorf("of %d notifications %v", list.Total, list.States)
		}
		return nil
	})
}

// deliveries are what Cloudinary has sent, or tried to, since it forgot.
func (c *cluster) deliveries() []simulator.Delivery {
	c.Helper()
	var list struct {
		Deliveries []simulator.Delivery `json:"deliveries"`
	}
	if err := c.get(c.simulator+"/_sim/deliveries?event_type=upload", &list); err != nil {
		c.Fatal(err)
	}
	return list.Deliveries
}

func (c *cluster) forgetDeliveries() {
	c.Helper()
	if err := c.delete(c.simulator + "/_sim/deliveries"); err != nil {
		c.Fatal(err)
	}
}
