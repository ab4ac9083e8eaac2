// SPDX-License-Identifier: Apache-2.0

package gitops

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"
)

// spec is that of an object, as a manifest has it.
type spec = map[string]any

// change is one between what the cluster has and what Git says.
type change struct {
	kind, name string
	live, git  spec
}

// field is one of a kind's spec. Values are such as the API server takes in the base, which does not set an optional field.
type field struct {
	path     string // [] is the first element of a list
	base     spec
	value    any
	others   []any
	required bool // the base has it, and an object cannot be without it
}

// changes are all that can happen to a field beside Git.
func (f field) changes(kind string) []change {
	var all []change
	git := f.base
	if !f.required {
		git = with(f.base, f.path, f.value)
		all = append(all,
			change{kind, f.path + " added", git, f.base},
			change{kind, f.path + " removed", f.base, git})
	}
	for i, other := range f.others {
		all = append(all, change{kind, fmt.Sprintf("%s changed, %d", f.path, i), with(f.base, f.path, other), git})
	}
	return all
}

// with is a spec in which a field is set.
func with(s spec, path string, value any) spec {
	s = runtime.DeepCopyJSON(s)
	parts := strings.Split(path, ".")
	at := s
	for _, part := range parts[:len(parts)-1] {
		name, isList := strings.CutSuffix(part, "[]")
		if isList {
			at = at[name].([]any)[0].(spec)
			continue
		}
		if at[name] == nil {
			at[name] = spec{}
		}
		at = at[name].(spec)
	}
	at[parts[len(parts)-1]] = value
	return s
}

func triggerBase() spec {
	return spec{"endpointRef": spec{"name": "media"}, "eventTypes": []any{"upload", "delete"}}
}

func endpointBase() spec {
	return spec{
		"credentialsSecretRef": spec{"name": "cloudinary"},
		"receiver":             spec{"deliverTo": []any{spec{"name": "catalog", "service": spec{"name": "catalog", "port": int64(80)}}}},
	}
}

// fields are all fields of both kinds, by kind.
func fields() map[string][]field {
	images := spec{"==": []any{spec{"var": "resource_type"}, "image"}}
	trigger, endpoint := triggerBase(), endpointBase()
	byURL := spec{"credentialsSecretRef": spec{"name": "cloudinary"}, "url": hook}
	selected := with(endpoint, "allowedTriggers.namespaces", spec{"from": "Selector", "selector": spec{"matchLabels": spec{"media": "yes"}}})
	trusting := with(with(endpoint, "receiver.deliverTo[].service.scheme", "HTTPS"), "receiver.deliverTo[].service.tls",
		spec{"caConfigMapRef": spec{"name": "cloudinary-target-ca"}})
	target := func(more spec) []any {
		one := spec{"name": "catalog", "service": spec{"name": "catalog", "port": int64(80)}}
		if more == nil {
			return []any{one}
		}
		return []any{one, more}
	}
	const key, key2 = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=", "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE="
	return map[string][]field{
		"CloudinaryTrigger": {
			{path: "endpointRef.name", base: trigger, others: []any{"other"}, required: true},
			{path: "endpointRef.namespace", base: trigger, value: "shop", others: []any{"catalog"}},
			{path: "eventTypes", base: trigger, required: true, others: []any{
				[]any{"upload", "delete", "rename"}, []any{"upload"}, []any{"upload", "rename"}, []any{"delete", "upload"},
			}},
			{path: "additive", base: trigger, value: true, others: []any{false}},
			{path: "filter", base: trigger, value: images, others: []any{
				spec{"==": images["=="], "in": []any{"shoe", spec{"var": "tags"}}},
				spec{"==": []any{spec{"var": "resource_type"}, "video"}},
				spec{"!=": images["=="]},
				spec{},
			}},
			{path: "payloadTemplate", base: trigger, value: spec{"id": "{{public_id}}", "asset": spec{"url": "{{url}}"}}, others: []any{
				spec{"id": "{{public_id}}", "asset": spec{"url": "{{url}}"}, "debug": "{{raw}}"},
				spec{"id": "{{public_id}}"},
				spec{"id": "{{asset_id}}", "asset": spec{"url": "{{url}}", "more": "{{raw}}"}},
			}},
			{path: "authScheme", base: trigger, value: "legacy_hmac", others: []any{"eddsa_v2"}},
			{path: "adoptionPolicy", base: trigger, value: "Refuse", others: []any{"Adopt"}},
			{path: "deletionPolicy", base: trigger, value: "Retain", others: []any{"Delete"}},
			{path: "managementPolicy", base: trigger, value: "Observe", others: []any{"Enforce"}},
		},
		"NotificationEndpoint": {
			{path: "credentialsSecretRef.name", base: endpoint, others: []any{"other"}, required: true},
			{path: "url", base: byURL, others: []any{"https://spy.example.com/"}, required: true},
			{path: "receiver.baseURL", base: endpoint, value: "https://hooks.example.com", others: []any{"https://in.example.com"}},
			{path: "receiver.path", base: endpoint, value: "Unguessable", others: []any{"Plain"}},
			{path: "receiver.verification.maxAge", base: endpoint, value: "2h", others: []any{"24h"}},
			{path: "receiver.verification.algorithms", base: endpoint, value: []any{"SHA256"}, others: []any{[]any{"SHA256", "SHA1"}, []any{"SHA1"}}},
			{path: "receiver.verification.apiKeys", base: endpoint, value: []any{"1", "2"}, others: []any{[]any{"1", "2", "3"}, []any{"1"}}},
			{path: "receiver.verification.ed25519PublicKeys", base: endpoint, value: []any{key}, others: []any{[]any{key, key2}, []any{key2}}},
			{path: "receiver.deliverTo", base: endpoint, required: true, others: []any{
				target(spec{"name": "spy", "service": spec{"name": "spy", "port": int64(80)}}), target(spec{"name": "events", "event": spec{}}),
			}},
			{path: "receiver.deliverTo[].name", base: endpoint, others: []any{"other"}, required: true},
			{path: "receiver.deliverTo[].event", base: with(endpoint, "receiver.deliverTo", []any{spec{"name": "catalog", "event": spec{}}}), required: true},
			{path: "receiver.deliverTo[].eventTypes", base: endpoint, value: []any{"upload"}, others: []any{[]any{"upload", "delete"}, []any{"rename"}}},
			{path: "receiver.deliverTo[].service.name", base: endpoint, others: []any{"other"}, required: true},
			{path: "receiver.deliverTo[].service.port", base: endpoint, others: []any{int64(8080)}, required: true},
			{path: "receiver.deliverTo[].service.scheme", base: endpoint, value: "HTTP", others: []any{"HTTPS"}},
			{path: "receiver.deliverTo[].service.tls.caConfigMapRef.name", base: trusting, others: []any{"kube-root-ca.crt"}, required: true},
			{path: "receiver.deliverTo[].service.tls.caConfigMapRef.key", base: trusting, value: "ca.crt", others: []any{"other.crt"}},
			{path: "receiver.deliverTo[].service.tls.serverName", base: trusting, value: "catalog.shop.svc", others: []any{"other.shop.svc"}},
			{path: "receiver.deliverTo[].service.path", base: endpoint, value: "/hook", others: []any{"/spy"}},
			{path: "receiver.deliverTo[].service.format", base: endpoint, value: "Original", others: []any{"CloudEvents"}},
			{path: "receiver.deliverTo[].service.timeout", base: endpoint, value: "15s", others: []any{"60s"}},
			{path: "receiver.retry.maxAge", base: endpoint, value: "72h", others: []any{"1m"}},
			{path: "allowedTriggers.namespaces.from", base: endpoint, value: "All", others: []any{"Same"}},
			{path: "allowedTriggers.namespaces.selector.matchLabels", base: selected, required: true, others: []any{
				spec{"media": "yes", "more": "yes"}, spec{"media": "no"}, spec{"other": "yes"},
			}},
			{
				path: "allowedTriggers.namespaces.selector.matchExpressions", base: selected,
				value: []any{spec{"key": "media", "operator": "Exists"}}, others: []any{[]any{spec{"key": "media", "operator": "DoesNotExist"}}},
			},
		},
	}
}

// changesOf are the changes of all fields of a kind, and those between the members of a union.
func changesOf(kind string) []change {
	var all []change
	for _, f := range fields()[kind] {
		all = append(all, f.changes(kind)...)
	}
	if kind == "NotificationEndpoint" {
		byURL := spec{"credentialsSecretRef": spec{"name": "cloudinary"}, "url": hook}
		byReceiver := spec{"credentialsSecretRef": spec{"name": "cloudinary"}, "receiver": spec{}}
		service := endpointBase()
		event := with(service, "receiver.deliverTo", []any{spec{"name": "catalog", "event": spec{}}})
		all = append(all,
			change{kind, "url instead of receiver", byURL, byReceiver}, change{kind, "receiver instead of url", byReceiver, byURL},
			change{kind, "event instead of service", event, service}, change{kind, "service instead of event", service, event},
			change{kind, "receiver emptied", byReceiver, service}, change{kind, "receiver filled", service, byReceiver})
	}
	return all
}

// A field that is new in the API gets a row.
func TestEveryFieldHasItsRow(t *testing.T) {
	for kind, plural := range map[string]string{"CloudinaryTrigger": "cloudinarytriggers", "NotificationEndpoint": "notificationendpoints"} {
		raw, err := os.ReadFile("../../config/crd/bases/notifications.cloudinary.dev_" + plural + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(raw, &crd); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for _, f := range fields()[kind] {
			rows = append(rows, f.path)
		}
		for _, path := range leaves("", crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]) {
			// An element's own members are those of another API.
			if !slices.Contains(rows, path) && !strings.Contains(path, "matchExpressions[]") {
				t.Errorf("spec.%s of %s has no row in fields(): say which values it may have", path, kind)
			}
		}
	}
}

// leaves are the paths below which a schema says no more.
func leaves(path string, schema apiextensionsv1.JSONSchemaProps) []string {
	if schema.Items != nil && len(schema.Items.Schema.Properties) > 0 {
		return append(leaves(path+"[]", *schema.Items.Schema), path)
	}
	if len(schema.Properties) == 0 {
		return []string{path}
	}
	var all []string
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		all = append(all, leaves(strings.TrimPrefix(path+"."+name, "."), schema.Properties[name])...)
	}
	return all
}
