// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// statusView is one reading of the status, with its resourceVersions.
type statusView struct {
	report              statusReport
	endpoints, triggers string
}

// readStatus reads what the options ask for.
func (cl *cluster) readStatus(ctx context.Context, o statusOptions) (statusView, error) {
	namespace := cl.namespace
	if o.all {
		namespace = ""
	}
	var endpoints v1alpha1.NotificationEndpointList
	if err := cl.list(ctx, namespace, &endpoints); err != nil {
		return statusView{}, err
	}
	var triggers v1alpha1.CloudinaryTriggerList
	if err := cl.list(ctx, namespace, &triggers); err != nil {
		return statusView{}, err
	}
	report := newStatusReport(endpoints.Items, triggers.Items)
	var err error
	if o.name != "" {
		report, err = report.of(o.name, namespace)
	}
	return statusView{report, endpoints.ResourceVersion, triggers.ResourceVersion}, err
}

// of is the part of a report that is about one object: an endpoint with its triggers, or a trigger
// with its endpoint.
func (r statusReport) of(name, namespace string) (statusReport, error) {
	kind, name, err := kindAndName(name)
	if err != nil {
		return statusReport{}, err
	}
	one := statusReport{Endpoints: []endpointStatus{}, Triggers: []triggerStatus{}}
	endpoint := slices.IndexFunc(r.Endpoints, func(e endpointStatus) bool { return e.Name == name && kind != kindTrigger })
	trigger := slices.IndexFunc(r.Triggers, func(t triggerStatus) bool { return t.Name == name && kind != kindEndpoint })
	switch {
	case endpoint >= 0 && trigger >= 0:
		return one, fmt.Errorf("both an endpoint and a trigger have the name %s; say endpoint/%s or trigger/%s", name, name, name)
	case endpoint >= 0:
		one.named, one.Endpoints = kindEndpoint, r.Endpoints[endpoint:endpoint+1]
		for _, t := range r.Triggers {
			if t.belongsTo(&one.Endpoints[0]) {
				one.Triggers = append(one.Triggers, t)
			}
		}
		return one, nil
	case trigger >= 0:
		one.named, one.Triggers = kindTrigger, r.Triggers[trigger:trigger+1]
		for _, e := range r.Endpoints {
			if one.Triggers[0].belongsTo(&e) {
				one.Endpoints = append(one.Endpoints, e)
			}
		}
		return one, nil
	}
	what := map[string]string{"": "endpoint and no trigger", kindEndpoint: "endpoint", kindTrigger: "trigger"}[kind]
	return one, fmt.Errorf("there is no %s %s in namespace %s; if it is in another one, name that with --namespace", what, name, namespace)
}

// kindAndName parses NAME, endpoint/NAME and trigger/NAME, also with the short names of the kinds.
// Without a kind it is either.
func kindAndName(arg string) (kind, name string, err error) {
	prefix, name, ok := strings.Cut(arg, "/")
	if !ok {
		return "", arg, nil
	}
	switch strings.ToLower(prefix) {
	case "endpoint", "endpoints", shortEndpoint, "notificationendpoint", "notificationendpoints":
		return kindEndpoint, name, nil
	case "trigger", "triggers", shortTrigger, "cloudinarytrigger", "cloudinarytriggers":
		return kindTrigger, name, nil
	default:
		return "", "", fmt.Errorf("%q must have the form NAME, endpoint/NAME or trigger/NAME", arg)
	}
}

// watchPause is the shortest time between two prints.
const watchPause = 500 * time.Millisecond

// watchStatus prints the status, and prints it again when it changes, until the context ends.
func (c *cli) watchStatus(ctx context.Context, cl *cluster, o statusOptions) error {
	watching, err := client.NewWithWatch(cl.rest, client.Options{Scheme: cl.Scheme(), Mapper: cl.RESTMapper()})
	if err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	shown := shownStatus{cli: c, cluster: cl, options: o}
	for ctx.Err() == nil {
		view, err := cl.readStatus(ctx, o)
		if err == nil {
			err = shown.show(view.report)
		}
		if err == nil {
			err = explained(untilChanged(ctx, watching, cl.namespace, view, o))
		}
		if err != nil && ctx.Err() == nil { // else it is what ends calls
			return err
		}
	}
	return nil
}

// shownStatus is what was printed last.
type shownStatus struct {
	*cli
	cluster *cluster
	options statusOptions
	last    *statusReport
}

// show prints a report, unless it is what was printed last.
func (s *shownStatus) show(report statusReport) error {
	switch {
	case s.last == nil:
	case reflect.DeepEqual(*s.last, report):
		return nil
	default:
		fmt.Fprint(s.Streams.Out, betweenPrints(s.options.output.format))
	}
	s.last = &report
	return s.showStatus(report, s.cluster, s.options)
}

// betweenPrints keeps one print from the next.
func betweenPrints(format string) string {
	switch format {
	case outputJSON: // a stream of objects
		return ""
	case outputYAML:
		return "---\n"
	default:
		return "\n"
	}
}

// untilChanged waits until an object changes after the reading. It may return too early, because
// the API server ends each watch sometimes.
func untilChanged(ctx context.Context, cl client.WithWatch, namespace string, view statusView, o statusOptions) error {
	if o.all {
		namespace = ""
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	from := func(version string) client.ListOption {
		return &client.ListOptions{Namespace: namespace, Raw: &metav1.ListOptions{ResourceVersion: version}}
	}
	endpoints, err := cl.Watch(ctx, &v1alpha1.NotificationEndpointList{}, from(view.endpoints))
	if err != nil {
		return err
	}
	defer endpoints.Stop()
	triggers, err := cl.Watch(ctx, &v1alpha1.CloudinaryTriggerList{}, from(view.triggers))
	if err != nil {
		return err
	}
	defer triggers.Stop()
	select {
	case <-ctx.Done():
		return nil
	case <-endpoints.ResultChan():
	case <-triggers.ResultChan():
	}
	select {
	case <-ctx.Done():
	case <-time.After(watchPause):
	}
	return nil
}
