// SPDX-License-Identifier: Apache-2.0

// Package metricstest says what a program registers as metrics, and holds it to the page that documents them.
package metricstest

import (
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// Recorder is a registry that keeps what is registered: a registry gathers a vector only once it has children.
type Recorder struct {
	*prometheus.Registry

	Collectors []prometheus.Collector
}

// NewRecorder is an empty one.
func NewRecorder() *Recorder { return &Recorder{Registry: prometheus.NewRegistry()} }

// Register implements prometheus.Registerer.
func (r *Recorder) Register(c prometheus.Collector) error {
	r.Collectors = append(r.Collectors, c)
	return r.Registry.Register(c)
}

// Descriptions are those of a collector's metrics.
func Descriptions(c prometheus.Collector) iter.Seq[*prometheus.Desc] {
	return func(yield func(*prometheus.Desc) bool) {
		descriptions := make(chan *prometheus.Desc)
		go func() {
			defer close(descriptions)
			c.Describe(descriptions)
		}()
		more := true
		for d := range descriptions { // to the end, which the collector waits for
			more = more && yield(d)
		}
	}
}

var descPattern = regexp.MustCompile(`^Desc\{fqName: "([^"]+)".* variableLabels: \{([^}]*)\}\}$`)

// NameAndLabels reads a description's text, the only place where it shows them. Labels are sorted. It returns an error where the client
// library has come to write descriptions in another way.
func NameAndLabels(d *prometheus.Desc) (name string, labels []string, _ error) {
	match := descPattern.FindStringSubmatch(d.String())
	if match == nil {
		return "", nil, fmt.Errorf("cannot read %s", d)
	}
	if match[2] == "" {
		return match[1], nil, nil
	}
	labels = strings.Split(match[2], ",")
	slices.Sort(labels)
	return match[1], labels, nil
}
