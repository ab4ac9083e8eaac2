// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// present are the objects of a namespace. An export must not use their names, unless for the same
// thing.
type present struct {
	endpoints map[string]source
	triggers  map[string]selection
}

// source is what makes two endpoints the same to an export.
type source struct{ url, secret string }

// selection is what makes two triggers the same to an export.
type selection struct {
	endpoint   plan.Key
	eventTypes string
}

func newSelection(endpoint plan.Key, eventTypes []string) selection {
	return selection{endpoint, strings.Join(slices.Sorted(slices.Values(eventTypes)), ",")}
}

// present reads what a namespace has. A cluster without the operator's kinds has nothing.
func (cl *cluster) present(ctx context.Context, namespace string) (present, error) {
	p := present{endpoints: map[string]source{}, triggers: map[string]selection{}}
	endpoints, err := cl.endpoints(ctx, namespace)
	if meta.IsNoMatchError(err) {
		return p, nil
	}
	if err != nil {
		return p, err
	}
	triggers, err := cl.triggers(ctx, namespace)
	if err != nil {
		return p, err
	}
	for i := range endpoints {
		spec := &endpoints[i].Spec
		p.endpoints[endpoints[i].Name] = source{plan.CanonicalURL(spec.URL), spec.CredentialsSecretRef.Name}
	}
	for i := range triggers {
		p.triggers[triggers[i].Name] = newSelection(resolve.TriggerEndpoint(&triggers[i]), triggers[i].Spec.EventTypes)
	}
	return p, nil
}

// names gives each manifest a name that neither another manifest nor another object of the
// namespace has. The same export has the same names again, even if its objects exist.
type names struct {
	target
	ambiguous           map[string]bool // readable names that several URLs of the export have
	endpoints, triggers map[string]bool // those that are given away
}

// newNames prepares names for an export of these URLs.
func newNames(to target, urls []string) *names {
	n := &names{target: to, ambiguous: map[string]bool{}, endpoints: map[string]bool{}, triggers: map[string]bool{}}
	seen := map[string]bool{}
	for _, canonical := range urls {
		name, _ := readableName(canonical)
		n.ambiguous[name] = seen[name]
		seen[name] = true
	}
	return n
}

// endpoint names the endpoint of a URL after its host and path. It adds a hash of the hidden part
// only if another URL would have the same name.
func (n *names) endpoint(canonical string) string {
	name, whole := readableName(canonical)
	unmistakable := withHash(name, n.unmistakable(canonical))
	if !whole && n.ambiguous[name] {
		name = withHash(name, canonical)
	}
	own := source{canonical, n.secret}
	return pick(n.endpoints, []string{name, unmistakable}, func(name string) (there, same bool) {
		have, there := n.present.endpoints[name]
		return there, have == own
	})
}

// maxNamedTypes is the largest number of event types in the name of a trigger.
const maxNamedTypes = 3

// eventTypesName is the part of a trigger's name for its event types.
func eventTypesName(eventTypes []string) string {
	named := make([]string, 0, maxNamedTypes)
	for _, eventType := range eventTypes[:min(len(eventTypes), maxNamedTypes)] {
		named = append(named, strings.Trim(strings.ReplaceAll(eventType, "_", "-"), "-"))
	}
	if more := len(eventTypes) - maxNamedTypes; more > 0 {
		return fmt.Sprintf("%s-and-%d-more", named[0], more+maxNamedTypes-1)
	}
	return strings.Join(named, "-")
}

// trigger names a trigger after its endpoint and its event types.
func (n *names) trigger(endpoint, canonical string, eventTypes []string) string {
	name := endpoint + "-" + eventTypesName(eventTypes)
	own := newSelection(plan.Key{Namespace: n.namespace, Name: endpoint}, eventTypes)
	return pick(n.triggers, []string{name, withHash(name, n.unmistakable(canonical, eventTypes...))}, func(name string) (there, same bool) {
		have, there := n.present.triggers[name]
		return there, have == own
	})
}

// unmistakable is a text that no other product environment has.
func (n *names) unmistakable(canonical string, eventTypes ...string) string {
	return strings.Join(append([]string{n.environment.String(), canonical}, eventTypes...), " ")
}

// pick returns the name that the same object has already, else the first free one.
func pick(given map[string]bool, wanted []string, look func(string) (there, same bool)) string {
	at := slices.IndexFunc(wanted, func(name string) bool {
		_, same := look(name)
		return same && !given[name]
	})
	if at < 0 {
		at = slices.IndexFunc(wanted, func(name string) bool {
			there, _ := look(name)
			return !there && !given[name]
		})
	}
	name := wanted[max(at, 0)]
	for i := 2; at < 0; i++ { // somebody has taken even the hash
		name = fmt.Sprintf("%s-%d", wanted[len(wanted)-1], i)
		if there, same := look(name); !given[name] && (same || !there) {
			break
		}
	}
	given[name] = true
	return name
}

func withHash(name, of string) string {
	sum := sha256.Sum256([]byte(of))
	return name + "-" + hex.EncodeToString(sum[:4])
}

const (
	maxEndpointName = 50
	// maxNamedSegment is the longest part of a path in a name: a longer one may be a token.
	maxNamedSegment = 20
)

// readableName is the public part of a URL, its host and path, as a name. It reports whether that
// is the whole URL. It leaves out a part that may be a token.
func readableName(canonical string) (name string, whole bool) {
	u, err := url.Parse(canonical)
	if err != nil {
		return "endpoint", false
	}
	parts, whole := []string{u.Host}, u.Scheme == "https" && u.RawQuery == "" && !u.ForceQuery
	for segment := range strings.SplitSeq(strings.Trim(u.Path, "/"), "/") {
		if looksLikeToken(segment) {
			whole = false
			continue
		}
		parts = append(parts, segment)
	}
	name = dnsLabel(strings.Join(parts, "-"))
	if len(name) > maxEndpointName {
		name, whole = strings.Trim(name[:maxEndpointName], "-"), false
	}
	if name == "" {
		return "endpoint", false
	}
	return name, whole
}

// looksLikeToken reports whether a part of a path may be a secret: it is long, or holds letters and
// several digits.
func looksLikeToken(segment string) bool {
	digits := 0
	for _, r := range segment {
		if r >= '0' && r <= '9' {
			digits++
		}
	}
	return len(segment) > maxNamedSegment || digits > 2
}

// dnsLabel makes lower-case letters, digits and single hyphens of a text.
func dnsLabel(text string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(text) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
			continue
		}
		if s := b.String(); s != "" && s[len(s)-1] != '-' {
			b.WriteByte('-')
		}
	}
	return strings.Trim(b.String(), "-")
}
