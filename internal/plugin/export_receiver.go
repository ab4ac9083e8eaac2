// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// formerListener is the Service behind a webhook that the user runs.
type formerListener struct {
	name string
	port intstr.IntOrString
}

// maxServicePath is how long a target's path may be.
const maxServicePath = 1024

// parseListener reads NAME or NAME:PORT.
func parseListener(text string) (formerListener, error) {
	name, port, given := strings.Cut(text, ":")
	l := formerListener{name: name, port: intstr.FromInt32(80)}
	if given {
		l.port = intstr.Parse(port)
	}
	wrong := validation.IsDNS1035Label(name)
	if l.port.Type == intstr.String {
		wrong = append(wrong, validation.IsValidPortName(l.port.StrVal)...)
	} else {
		wrong = append(wrong, validation.IsValidPortNum(int(l.port.IntVal))...)
	}
	if len(wrong) > 0 {
		return l, fmt.Errorf("--%s: %q is not the name of a Service, or NAME:PORT: %s", flagToReceiver, text, wrong[0])
	}
	return l, nil
}

// checkMove refuses flags that do not go together.
func (o *exportOptions) checkMove() error {
	switch {
	case o.toReceiver == "" && o.baseURL != "":
		return fmt.Errorf("--%s is for --%s", flagBaseURL, flagToReceiver)
	case o.toReceiver == "":
		return nil
	case o.secret == "":
		return fmt.Errorf("--%s needs --secret: it looks at what the cluster has adopted", flagToReceiver)
	case o.observe:
		return fmt.Errorf("--%s moves triggers to another URL, which --observe forbids", flagToReceiver)
	}
	_, err := parseListener(o.toReceiver)
	return err
}

// move turns an export into manifests that move the notifications to the receiver, which delivers
// them to the former listener.
func (c *cli) move(ctx context.Context, e *exported, triggers []cloudinary.Trigger, to target, o exportOptions) error {
	l, err := parseListener(o.toReceiver)
	if err != nil {
		return err
	}
	for _, name := range e.leaveOutReceivers() {
		c.warn("left out: NotificationEndpoint %s, whose URL is that of a receiver already", name)
	}
	if err := c.checkAdopted(ctx, e, triggers, to); err != nil {
		return err
	}
	return e.toReceiver(l, o.baseURL)
}

// leaveOutReceivers leaves out endpoints that a bundled receiver serves already, and names them.
func (e *exported) leaveOutReceivers() []string {
	var names []string
	e.endpoints = slices.DeleteFunc(e.endpoints, func(ep v1alpha1.NotificationEndpoint) bool {
		found := strings.Contains(ep.Spec.URL, notification.PathPrefix)
		if found {
			names = append(names, ep.Name)
		}
		return found
	})
	e.triggers = slices.DeleteFunc(e.triggers, func(t v1alpha1.CloudinaryTrigger) bool {
		return slices.Contains(names, t.Spec.EndpointRef.Name)
	})
	return names
}

// checkAdopted makes sure that the objects that the manifests change hold the triggers. Otherwise
// the operator would create new ones at the receiver's URL, beside the existing ones.
func (c *cli) checkAdopted(ctx context.Context, e *exported, triggers []cloudinary.Trigger, to target) error {
	if len(e.endpoints) == 0 {
		return errors.New("there is no trigger whose notifications a receiver could take")
	}
	for i := range e.endpoints {
		ep := &e.endpoints[i]
		if to.present.endpoints[ep.Name] != (source{plan.CanonicalURL(ep.Spec.URL), to.secret}) {
			return fmt.Errorf("namespace %s has no NotificationEndpoint %s with the URL and the Secret of these triggers: "+
				"apply the export without --%s first, so that the operator adopts them", to.namespace, ep.Name, flagToReceiver)
		}
	}
	cl, err := c.connect()
	if err != nil {
		return err
	}
	objects, err := cl.triggers(ctx, to.namespace)
	if err != nil {
		return err
	}
	if n := e.notAdopted(objects, triggers); n > 0 {
		return fmt.Errorf("the operator has not adopted %d of the triggers yet: wait until "+
			"kubectl -n %s wait --for=condition=Ready nep,cldt --all succeeds", n, to.namespace)
	}
	return nil
}

// notAdopted counts the exported triggers at Cloudinary whose id is not recorded in the object of
// their manifest.
func (e *exported) notAdopted(objects []v1alpha1.CloudinaryTrigger, triggers []cloudinary.Trigger) int {
	exports := map[plan.Place]plan.Key{}
	urls := map[string]string{}
	for i := range e.endpoints {
		urls[e.endpoints[i].Name] = plan.CanonicalURL(e.endpoints[i].Spec.URL)
	}
	for i := range e.triggers {
		t := &e.triggers[i]
		for _, eventType := range t.Spec.EventTypes {
			exports[plan.Place{URL: urls[t.Spec.EndpointRef.Name], EventType: eventType}] = resolve.KeyOf(t)
		}
	}
	missing := 0
	for _, t := range triggers {
		key, exported := exports[plan.Place{URL: plan.CanonicalURL(t.URI), EventType: t.EventType}]
		skipped := slices.ContainsFunc(e.skipped, func(s skipped) bool { return s.ID == t.ID })
		if !exported || skipped {
			continue
		}
		if !slices.ContainsFunc(objects, func(o v1alpha1.CloudinaryTrigger) bool {
			return resolve.KeyOf(&o) == key && holds(&o, map[string]bool{t.ID: true}) > 0
		}) {
			missing++
		}
	}
	return missing
}

// toReceiver replaces each URL by the receiver, with the listener as its target at the former path.
func (e *exported) toReceiver(l formerListener, baseURL string) error {
	for i := range e.endpoints {
		spec := &e.endpoints[i].Spec
		u, err := url.Parse(spec.URL)
		if err != nil {
			// The text was checked, and the error would repeat it.
			return errors.New("a URL cannot be read")
		}
		path := u.RequestURI()
		if len(path) > maxServicePath {
			return fmt.Errorf("the path of NotificationEndpoint %s has %d bytes, and that of a target may have %d", e.endpoints[i].Name, len(path), maxServicePath)
		}
		spec.URL = ""
		spec.Receiver = &v1alpha1.ReceiverSpec{
			BaseURL: baseURL,
			DeliverTo: []v1alpha1.DeliveryTarget{{
				Name: l.name, Service: &v1alpha1.ServiceTarget{Name: l.name, Port: l.port, Path: path},
			}},
		}
	}
	return nil
}
