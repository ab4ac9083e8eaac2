// SPDX-License-Identifier: Apache-2.0

package livecheck

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// Answer is what a question turned out to be.
type Answer struct {
	Question string `json:"question"`
	Mark     Mark   `json:"mark"`
	Asks     string `json:"asks"`
	Verdict  string `json:"verdict"`
	// Seen is what the verdict is based on, in words.
	Seen string `json:"seen"`
}

// Recommendation is a flag of the manager that fits what was seen.
type Recommendation struct {
	Flag string `json:"flag"`
	Why  string `json:"why"`
}

// Report is all that was found out.
type Report struct {
	Environment string   `json:"environment"`
	Answers     []Answer `json:"answers"`
	// Recommendations are the flags for which there is an answer, also where it is the default.
	Recommendations []Recommendation `json:"recommendations"`
	// Simulator are flags with which cloudinary-sim behaves as it was seen.
	Simulator []string `json:"simulator"`
	// Calls is how many were made, the cleaning up included.
	Calls int `json:"calls"`
}

func newReport(environment string) Report {
	r := Report{Environment: environment, Recommendations: []Recommendation{}, Simulator: []string{}}
	for _, q := range Questions() {
		answer := Answer{Question: q.ID, Mark: q.Mark, Asks: q.Asks, Verdict: NotReached}
		if q.Why != "" {
			answer.Verdict, answer.Seen = NotChecked, q.Why
		}
		r.Answers = append(r.Answers, answer)
	}
	return r
}

// Verdict is the answer to a question, NotReached where there is none yet.
func (r Report) Verdict(question string) string {
	i := slices.IndexFunc(r.Answers, func(a Answer) bool { return a.Question == question })
	if i < 0 {
		return NotReached
	}
	return r.Answers[i].Verdict
}

// conclude adds what follows from the whole.
func (c *check) conclude() {
	c.report.Calls = c.recorder.calls
	switch {
	case c.lag.isLate:
		c.answer("list-lag", "lagging", "a list %s after a write did not show it; %s after it every write was shown",
			c.lag.atLeast.Round(time.Millisecond), c.lag.atMost.Round(time.Millisecond))
	case c.lag.lists > 0:
		c.answer("list-lag", "0s", "each of %d writes was in the first list after it", c.lag.lists)
	}
	c.recommend()
	c.report.Simulator = c.report.simulatorFlags(c.lag.atMost)
}

func (c *check) recommend() {
	if c.verdict("list-lag") != NotReached {
		settle := settleTimeFor(c.lag.atMost)
		why := fmt.Sprintf("the default, enough for a list that lags %s", c.lag.atMost.Round(time.Millisecond))
		if settle != defaultSettleTime {
			why = fmt.Sprintf("twice the lag that was seen, and the %s that a call may take", callTimeout)
		}
		c.report.Recommendations = append(c.report.Recommendations, Recommendation{Flag: "--settle-time=" + settle.String(), Why: why})
	}
	if limit, err := strconv.Atoi(c.verdict("url-limit")); err == nil {
		c.report.Recommendations = append(c.report.Recommendations, Recommendation{
			Flag: "--url-limit=" + strconv.Itoa(limit), Why: "what the environment allowed",
		})
	}
}

// Defaults of the manager's flags.
const (
	defaultSettleTime = 30 * time.Second
	callTimeout       = 15 * time.Second
)

// settleTimeFor is how long the manager should wait until it believes a list. Twice the lag, since one run sees few writes.
func settleTimeFor(lag time.Duration) time.Duration {
	const step = 5 * time.Second
	return max(defaultSettleTime, (2*lag + callTimeout + step - 1).Truncate(step))
}

// simulatorFlags are for the questions that the simulator has a switch for, where the verdict is one of its values.
func (r Report) simulatorFlags(lag time.Duration) []string {
	flags := []string{}
	add := func(name, value string) { flags = append(flags, "--"+name+"="+value) }
	for _, name := range []string{
		"create-status", "create-body", "echo", "unset-fields", "unset-auth-scheme", "filter-language", "timestamps", "duplicate-key",
		"update-semantics", "put-fields", "put-url", "put-answer", "clear-filter", "clear-template", "put-limit-check",
	} {
		if verdict := r.Verdict(name); simulated(verdict) {
			add(name, verdict)
		}
	}
	for _, name := range []string{"rate-limit", "url-limit"} {
		verdict := r.Verdict(name)
		if _, err := strconv.Atoi(verdict); err == nil {
			add(name, verdict)
		} else if verdict == noLimit || verdict == noHeaders {
			add(name, "-1")
		}
	}
	switch spellings := []string{r.Verdict("normalize-url"), r.Verdict("normalize-filter"), r.Verdict("normalize-template")}; {
	case slices.Contains(spellings[1:], verdictLossy): // the simulator never changes what a URL means
		add("normalize", verdictLossy)
	case slices.Contains(spellings, verdictEquivalent):
		add("normalize", verdictEquivalent)
	case slices.Contains(spellings, verdictOff):
		add("normalize", verdictOff)
	}
	if r.Verdict("list-lag") != NotReached {
		add("list-lag", lag.Round(time.Millisecond).String())
	}
	return flags
}

// simulated reports whether the simulator's switch has the value.
func simulated(verdict string) bool {
	return !slices.Contains([]string{
		NotReached, NotChecked, NotApplicable, NotShown, verdictOther, verdictMixed, verdictPartial, verdictRefused,
		"null", "none", "neither",
	}, verdict)
}

// WriteTable writes the report for people.
func (r Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "QUESTION\tMARK\tVERDICT\tSEEN")
	for _, a := range r.Answers {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", a.Question, a.Mark, a.Verdict, a.Seen)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("write the table: %w", err)
	}
	fmt.Fprintf(w, "\nMARK: K documented, P said by one source, U unknown. %s, %d calls.\n", r.Environment, r.Calls)
	if len(r.Recommendations) > 0 {
		fmt.Fprintln(w, "\nFlags for the manager:")
	}
	for _, f := range r.Recommendations {
		fmt.Fprintf(w, "  %s  (%s)\n", f.Flag, f.Why)
	}
	if len(r.Simulator) > 0 {
		fmt.Fprintf(w, "\nThe simulator behaves like this with:\n  cloudinary-sim %s\n", strings.Join(r.Simulator, " "))
	}
	return nil
}

// WriteJSON writes the report for programs.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(r); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
