// SPDX-License-Identifier: Apache-2.0

// Command selectors reads PromQL expressions, a JSON array of strings, from standard input, and writes what each of them
// refers to, so that a test can ask whether all of it exists. It evaluates nothing.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
)

// result is what one expression refers to, or why it is none.
type result struct {
	Error     string     `json:"error,omitempty"`
	Selectors []selector `json:"selectors,omitempty"`
	Groupings []grouping `json:"groupings,omitempty"`
}

// selector is one place where a metric is read.
type selector struct {
	Metric   string    `json:"metric"`
	Matchers []matcher `json:"matchers,omitempty"`
	// Function is what a range of the metric is given to, rate for one; empty where an instant is read.
	Function string `json:"function,omitempty"`
}

type matcher struct {
	Label string `json:"label"`
	Type  string `json:"type"`
	Value string `json:"value"`
}

// grouping is a place where labels are named: by, without, on, ignoring, group_left; and the metrics whose labels these may be.
type grouping struct {
	Labels  []string `json:"labels"`
	Metrics []string `json:"metrics"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "selectors:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var expressions []string
	if err := json.NewDecoder(in).Decode(&expressions); err != nil {
		return fmt.Errorf("read expressions: %w", err)
	}
	results := make([]result, 0, len(expressions))
	p := parser.NewParser(parser.Options{})
	for _, text := range expressions {
		results = append(results, analyze(p, text))
	}
	return json.NewEncoder(out).Encode(results)
}

func analyze(p parser.Parser, text string) result {
	expression, err := p.ParseExpr(text)
	if err != nil {
		return result{Error: err.Error()}
	}
	var found result
	parser.Inspect(expression, func(node parser.Node, path []parser.Node) error {
		switch n := node.(type) {
		case *parser.VectorSelector:
			found.Selectors = append(found.Selectors, selector{Metric: n.Name, Matchers: matchers(n), Function: function(path)})
		case *parser.AggregateExpr:
			found.group(n.Grouping, labeled(n.Expr))
		case *parser.BinaryExpr:
			if m := n.VectorMatching; m != nil {
				found.group(slices.Concat(m.MatchingLabels, m.Include), append(labeled(n.LHS), labeled(n.RHS)...))
			}
		}
		return nil
	})
	return found
}

func (r *result) group(names, metrics []string) {
	if len(names) > 0 {
		r.Groupings = append(r.Groupings, grouping{names, metrics})
	}
}

// labeled are the metrics whose labels a result has. Of what stands right of "and" and "unless" it has none.
func labeled(node parser.Node) []string {
	switch n := node.(type) {
	case *parser.VectorSelector:
		return []string{n.Name}
	case *parser.BinaryExpr:
		if n.Op == parser.LAND || n.Op == parser.LUNLESS {
			return labeled(n.LHS)
		}
	}
	var metrics []string
	for child := range parser.ChildrenIter(node) {
		metrics = append(metrics, labeled(child)...)
	}
	return metrics
}

// metricName is the label that the parser makes of a metric's name.
const metricName = "__name__"

// matchers are those that the expression writes between braces.
func matchers(s *parser.VectorSelector) []matcher {
	var found []matcher
	for _, m := range s.LabelMatchers {
		if m.Name != metricName {
			found = append(found, matcher{m.Name, m.Type.String(), m.Value})
		}
	}
	return found
}

// function is the one that a range selector stands in; a selector's parents are its path, outermost first.
func function(path []parser.Node) string {
	if len(path) < 2 {
		return ""
	}
	if _, ranged := path[len(path)-1].(*parser.MatrixSelector); !ranged {
		return ""
	}
	for i := len(path) - 2; i >= 0; i-- {
		if call, ok := path[i].(*parser.Call); ok {
			return call.Func.Name
		}
	}
	return ""
}
