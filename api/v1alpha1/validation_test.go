// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

const (
	trigger  = "CloudinaryTrigger"
	endpoint = "NotificationEndpoint"
	// receiver is an endpoint whose URL the bundled receiver terminates.
	receiver = "NotificationEndpoint with a receiver"
)

// absent as a value takes the field away from the base object.
var absent = struct{}{}

// What the messages of the rules start with, so that a row says which one it expects.
const (
	wantEventTypeName   = "eventTypes are Cloudinary's names: lower-case letters, digits and underscores, starting with a letter"
	wantURLScheme       = "url must be an http or https address, for example https://hooks.example.com/cloudinary"
	wantURLCredentials  = "url must not carry credentials (the part before @)"
	wantURLFragment     = "url must not have a fragment (the part from # on)"
	wantURLValid        = "url is not a valid URL"
	wantURLHost         = "url must have a host name, and where there is a colon after it a port from 1 to 65535"
	wantBaseHost        = "baseURL must have a host name, and where there is a colon after it a port from 1 to 65535"
	wantBaseScheme      = "baseURL must be an http or https address, for example https://hooks.example.com"
	wantBaseCredentials = "baseURL must not carry credentials (the part before @)"
	wantBaseQuery       = "baseURL must have neither a query nor a fragment"
	wantBaseValid       = "baseURL is not a valid URL"
	wantOneOf           = "exactly one of url and receiver must be set"
	wantSelector        = "selector must be set with from: Selector, and with nothing else"
)

// validationCase changes one field of a valid object of a kind.
type validationCase struct {
	object string
	field  string
	value  any
	// want is part of the message that a person sees; empty: the object is accepted, and the value
	// kept as it is.
	want string
}

func TestValidation(t *testing.T) {
	for name, tc := range validationCases() {
		t.Run(name, func(t *testing.T) {
			object := base(tc.object)
			set(t, object, tc.field, tc.value)
			err := env.Client.Create(t.Context(), object, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			checkOutcome(t, object, tc, err)
		})
	}
}

func validationCases() map[string]validationCase {
	all := map[string]validationCase{}
	for _, cases := range []map[string]validationCase{
		endpointRefCases(), eventTypesCases(), triggerOptionCases(), endpointCases(), urlCases(), baseURLCases(),
		verificationCases(), apiKeyCases(), durationCases(), targetCases(), serviceCases(),
	} {
		for name, tc := range cases {
			if _, twice := all[name]; twice {
				panic("two cases are named " + name)
			}
			all[name] = tc
		}
	}
	return all
}

func endpointRefCases() map[string]validationCase {
	return map[string]validationCase{
		"a trigger needs a spec":                                {trigger, "spec", absent, "spec: Required value"},
		"endpointRef is required":                               {trigger, "spec.endpointRef", absent, "spec.endpointRef: Required value"},
		"endpointRef needs a name":                              {trigger, "spec.endpointRef", map[string]any{"namespace": "shop"}, "spec.endpointRef.name: Required value"},
		"endpointRef.name is not empty":                         {trigger, "spec.endpointRef.name", "", "spec.endpointRef.name"},
		"endpointRef.name may be as long as an object's":        {trigger, "spec.endpointRef.name", text(253), ""},
		"endpointRef.name is not longer than an object's":       {trigger, "spec.endpointRef.name", text(254), "spec.endpointRef.name: Too long: may not be more than 253"},
		"endpointRef.namespace may be another one":              {trigger, "spec.endpointRef.namespace", "shared-media", ""},
		"endpointRef.namespace may be a single digit":           {trigger, "spec.endpointRef.namespace", "7", ""},
		"endpointRef.namespace may be 63 bytes":                 {trigger, "spec.endpointRef.namespace", text(63), ""},
		"endpointRef.namespace is not 64 bytes":                 {trigger, "spec.endpointRef.namespace", text(64), "spec.endpointRef.namespace: Too long: may not be more than 63"},
		"endpointRef.namespace is not empty":                    {trigger, "spec.endpointRef.namespace", "", "spec.endpointRef.namespace"},
		"endpointRef.namespace is not upper case":               {trigger, "spec.endpointRef.namespace", "Shop", "spec.endpointRef.namespace in body should match"},
		"endpointRef.namespace does not end in a hyphen":        {trigger, "spec.endpointRef.namespace", "shop-", "spec.endpointRef.namespace in body should match"},
		"endpointRef.namespace has no dot":                      {trigger, "spec.endpointRef.namespace", "shop.prod", "spec.endpointRef.namespace in body should match"},
		"a misspelled field is named, and not silently dropped": {trigger, "spec.eventType", []any{"upload"}, `unknown field "spec.eventType"`},
	}
}

func eventTypesCases() map[string]validationCase {
	return map[string]validationCase{
		"eventTypes is required":                       {trigger, "spec.eventTypes", absent, "spec.eventTypes: Required value"},
		"eventTypes is not empty":                      {trigger, "spec.eventTypes", []any{}, "spec.eventTypes in body should have at least 1 items"},
		"eventTypes may have one":                      {trigger, "spec.eventTypes", []any{"all"}, ""},
		"eventTypes may have 64":                       {trigger, "spec.eventTypes", eventTypes(64), ""},
		"eventTypes does not have 65":                  {trigger, "spec.eventTypes", eventTypes(65), "spec.eventTypes: Too many: 65: must have at most 64 items"},
		"eventTypes is a set":                          {trigger, "spec.eventTypes", []any{"upload", "delete", "upload"}, `spec.eventTypes[2]: Duplicate value: "upload"`},
		"an event type may have digits and underlines": {trigger, "spec.eventTypes", []any{"resource_tags_changed", "v2_upload"}, ""},
		"an event type may be unknown to the operator": {trigger, "spec.eventTypes", []any{"teleport"}, ""},
		"an event type is not empty":                   {trigger, "spec.eventTypes", []any{""}, "spec.eventTypes[0]"},
		"an event type may be 64 bytes":                {trigger, "spec.eventTypes", []any{text(64)}, ""},
		"an event type is not 65 bytes":                {trigger, "spec.eventTypes", []any{text(65)}, "spec.eventTypes[0]: Too long: may not be more than 64"},
		"an event type is not upper case":              {trigger, "spec.eventTypes", []any{"Upload"}, wantEventTypeName},
		"an event type does not start with a digit":    {trigger, "spec.eventTypes", []any{"2upload"}, wantEventTypeName},
		"an event type does not start with an underline": {
			trigger, "spec.eventTypes", []any{"_upload"}, wantEventTypeName,
		},
		"an event type has no hyphen":                 {trigger, "spec.eventTypes", []any{"create-folder"}, wantEventTypeName},
		"an event type has no space":                  {trigger, "spec.eventTypes", []any{"upload "}, wantEventTypeName},
		"an event type has no line break":             {trigger, "spec.eventTypes", []any{"upload\n"}, wantEventTypeName},
		"the second event type is looked at like all": {trigger, "spec.eventTypes", []any{"upload", "DELETE"}, wantEventTypeName},
	}
}

func triggerOptionCases() map[string]validationCase {
	return map[string]validationCase{
		"additive may be true":                {trigger, "spec.additive", true, ""},
		"additive may be false":               {trigger, "spec.additive", false, ""},
		"additive is not a string":            {trigger, "spec.additive", "yes", "spec.additive: Invalid value"},
		"filter may be a rule":                {trigger, "spec.filter", map[string]any{"==": []any{map[string]any{"var": "resource_type"}, "image"}}, ""},
		"filter may be empty":                 {trigger, "spec.filter", map[string]any{}, ""},
		"filter is not a string of JSON":      {trigger, "spec.filter", `{"==": [1, 1]}`, `spec.filter: Invalid value: "string": spec.filter in body must be of type object`},
		"filter is not a list":                {trigger, "spec.filter", []any{true}, `spec.filter in body must be of type object`},
		"filter is not a boolean":             {trigger, "spec.filter", true, `spec.filter in body must be of type object`},
		"payloadTemplate may be an object":    {trigger, "spec.payloadTemplate", map[string]any{"id": "{{asset.public_id}}", "event": map[string]any{"type": "{{event.type}}"}}, ""},
		"payloadTemplate may be empty":        {trigger, "spec.payloadTemplate", map[string]any{}, ""},
		"payloadTemplate is not a string":     {trigger, "spec.payloadTemplate", `{"id": "{{asset.public_id}}"}`, `spec.payloadTemplate in body must be of type object`},
		"payloadTemplate is not a list":       {trigger, "spec.payloadTemplate", []any{"{{asset.public_id}}"}, `spec.payloadTemplate in body must be of type object`},
		"authScheme may be default":           {trigger, "spec.authScheme", "default", ""},
		"authScheme may be legacy_hmac":       {trigger, "spec.authScheme", "legacy_hmac", ""},
		"authScheme may be eddsa_v2":          {trigger, "spec.authScheme", "eddsa_v2", ""},
		"authScheme is a word of Cloudinary":  {trigger, "spec.authScheme", "hmac", `spec.authScheme: Unsupported value: "hmac": supported values: "default", "legacy_hmac", "eddsa_v2"`},
		"authScheme is not empty":             {trigger, "spec.authScheme", "", `spec.authScheme: Unsupported value: ""`},
		"adoptionPolicy may be Adopt":         {trigger, "spec.adoptionPolicy", "Adopt", ""},
		"adoptionPolicy may be Refuse":        {trigger, "spec.adoptionPolicy", "Refuse", ""},
		"adoptionPolicy is nothing else":      {trigger, "spec.adoptionPolicy", "adopt", `spec.adoptionPolicy: Unsupported value: "adopt": supported values: "Adopt", "Refuse"`},
		"deletionPolicy may be Delete":        {trigger, "spec.deletionPolicy", "Delete", ""},
		"deletionPolicy may be Retain":        {trigger, "spec.deletionPolicy", "Retain", ""},
		"deletionPolicy is nothing else":      {trigger, "spec.deletionPolicy", "Orphan", `spec.deletionPolicy: Unsupported value: "Orphan": supported values: "Delete", "Retain"`},
		"managementPolicy may be Enforce":     {trigger, "spec.managementPolicy", "Enforce", ""},
		"managementPolicy may be Observe":     {trigger, "spec.managementPolicy", "Observe", ""},
		"managementPolicy is nothing else":    {trigger, "spec.managementPolicy", "Ignore", `spec.managementPolicy: Unsupported value: "Ignore": supported values: "Enforce", "Observe"`},
		"the four choices may be made at all": {trigger, "spec", fullTriggerSpec(), ""},
	}
}

func endpointCases() map[string]validationCase {
	empty := map[string]any{}
	return map[string]validationCase{
		"an endpoint needs a spec":                    {endpoint, "spec", absent, "spec: Required value"},
		"credentialsSecretRef is required":            {endpoint, "spec.credentialsSecretRef", absent, "spec.credentialsSecretRef: Required value"},
		"credentialsSecretRef needs a name":           {endpoint, "spec.credentialsSecretRef", empty, "spec.credentialsSecretRef.name: Required value"},
		"credentialsSecretRef.name is not empty":      {endpoint, "spec.credentialsSecretRef.name", "", "spec.credentialsSecretRef.name"},
		"credentialsSecretRef.name may be 253 bytes":  {endpoint, "spec.credentialsSecretRef.name", text(253), ""},
		"credentialsSecretRef.name is not 254 bytes":  {endpoint, "spec.credentialsSecretRef.name", text(254), "spec.credentialsSecretRef.name: Too long: may not be more than 253"},
		"credentialsSecretRef has no namespace":       {endpoint, "spec.credentialsSecretRef.namespace", "other", `unknown field "spec.credentialsSecretRef.namespace"`},
		"an endpoint has a url or a receiver":         {endpoint, "spec.url", absent, wantOneOf},
		"an endpoint does not have both":              {endpoint, "spec.receiver", empty, wantOneOf},
		"a receiver does not have a url besides it":   {receiver, "spec.url", "https://hooks.example.com", wantOneOf},
		"a receiver may leave all to the manager":     {receiver, "spec.receiver", empty, ""},
		"allowedTriggers may be the same namespace's": {endpoint, "spec.allowedTriggers.namespaces.from", "Same", ""},
		"allowedTriggers may be everybody's":          {endpoint, "spec.allowedTriggers.namespaces.from", "All", ""},
		"allowedTriggers may be those of a selector": {
			endpoint, "spec.allowedTriggers.namespaces", map[string]any{"from": "Selector", "selector": map[string]any{"matchLabels": map[string]any{"team": "media"}}}, "",
		},
		"a selector may be empty":   {endpoint, "spec.allowedTriggers.namespaces", map[string]any{"from": "Selector", "selector": empty}, ""},
		"Selector takes a selector": {endpoint, "spec.allowedTriggers.namespaces", map[string]any{"from": "Selector"}, wantSelector},
		"a selector takes Selector": {endpoint, "spec.allowedTriggers.namespaces", map[string]any{"from": "All", "selector": empty}, wantSelector},
		"allowedTriggers.namespaces.from is one of three": {
			endpoint, "spec.allowedTriggers.namespaces.from", "Some", `spec.allowedTriggers.namespaces.from: Unsupported value: "Some": supported values: "Same", "All", "Selector"`,
		},
		"allowedTriggers.namespaces is required":      {endpoint, "spec.allowedTriggers", empty, "spec.allowedTriggers.namespaces: Required value"},
		"allowedTriggers.namespaces.from is required": {endpoint, "spec.allowedTriggers.namespaces", empty, "spec.allowedTriggers.namespaces.from: Required value"},
	}
}

func urlCases() map[string]validationCase {
	const host = "https://hooks.example.com/"
	return map[string]validationCase{
		"url may be https":                          {endpoint, "spec.url", "https://hooks.example.com/cloudinary", ""},
		"url may be http":                           {endpoint, "spec.url", "http://hooks.example.com/cloudinary", ""},
		"url may have an upper-case scheme":         {endpoint, "spec.url", "HTTPS://hooks.example.com", ""},
		"url may have no path":                      {endpoint, "spec.url", "https://hooks.example.com", ""},
		"url may have a port":                       {endpoint, "spec.url", "https://hooks.example.com:8443/x", ""},
		"url may be an IPv4 address":                {endpoint, "spec.url", "http://192.0.2.7:8080/x", ""},
		"url may be an IPv6 address":                {endpoint, "spec.url", "https://[2001:db8::7]/x", ""},
		"url may be an IPv6 address and a port":     {endpoint, "spec.url", "https://[2001:db8::7]:8443/x", ""},
		"url may have a token in the path":          {endpoint, "spec.url", "https://hooks.example.com/services/T0/B0/x", ""},
		"url may have a query":                      {endpoint, "spec.url", "https://hooks.example.com/x?token=abc&v=1", ""},
		"url may have a query without a path":       {endpoint, "spec.url", "https://hooks.example.com?token=abc", ""},
		"url may have an @ in the path":             {endpoint, "spec.url", "https://hooks.example.com/@media", ""},
		"url may have an @ in the query":            {endpoint, "spec.url", "https://hooks.example.com/x?to=ops@example.com", ""},
		"url may have an @ after two slashes":       {endpoint, "spec.url", "https://hooks.example.com//a@b", ""},
		"url may have percent-encoding":             {endpoint, "spec.url", "https://hooks.example.com/a%20b", ""},
		"url has no percent-encoding in its host":   {endpoint, "spec.url", "https://m%C3%BCnchen.example/a", "write an international host name in punycode"},
		"url may have a punycode host":              {endpoint, "spec.url", "https://xn--mnchen-3ya.example/a", ""},
		"url may be 2048 bytes":                     {endpoint, "spec.url", host + text(2048-len(host)), ""},
		"url is not 2049 bytes":                     {endpoint, "spec.url", host + text(2049-len(host)), "spec.url: Too long: may not be more than 2048"},
		"url is not empty":                          {endpoint, "spec.url", "", "spec.url"},
		"url is not ftp":                            {endpoint, "spec.url", "ftp://hooks.example.com/x", wantURLScheme},
		"url is not a scheme that begins with http": {endpoint, "spec.url", "httpx://hooks.example.com/x", wantURLScheme},
		"url has a scheme":                          {endpoint, "spec.url", "hooks.example.com/x", wantURLScheme},
		"url has its scheme at the beginning":       {endpoint, "spec.url", " https://hooks.example.com/x", wantURLScheme},
		"url has a host":                            {endpoint, "spec.url", "https:///x", wantURLScheme},
		"url has two slashes":                       {endpoint, "spec.url", "https:/hooks.example.com/x", wantURLScheme},
		"url has no user and password":              {endpoint, "spec.url", "https://user:password@hooks.example.com/x", wantURLCredentials},
		"url has no user":                           {endpoint, "spec.url", "https://user@hooks.example.com/x", wantURLCredentials},
		"url has no empty user":                     {endpoint, "spec.url", "https://@hooks.example.com/x", wantURLCredentials},
		"url has no user behind a backslash":        {endpoint, "spec.url", `https://good.example.com\@bad.example.com/x`, wantURLCredentials},
		"url has no fragment":                       {endpoint, "spec.url", "https://hooks.example.com/x#y", wantURLFragment},
		"url has no empty fragment":                 {endpoint, "spec.url", "https://hooks.example.com/x#", wantURLFragment},
		"url has no fragment after the query":       {endpoint, "spec.url", "https://hooks.example.com/x?a=1#y", wantURLFragment},
		"url has no space in the host":              {endpoint, "spec.url", "https://hooks example.com/x", wantURLValid},
		"url has no malformed percent-encoding":     {endpoint, "spec.url", "https://hooks.example.com/%zz", wantURLValid},
		"url has no port in words":                  {endpoint, "spec.url", "https://hooks.example.com:https/x", wantURLValid},
		"url has no half IPv6 address":              {endpoint, "spec.url", "https://[2001:db8::7/x", wantURLValid},
		"url has no line break":                     {endpoint, "spec.url", "https://hooks.example.com/x\n", wantURLValid},
		"url has no space in the path":              {endpoint, "spec.url", "https://hooks.example.com/a b", wantURLValid},
		"url has no space in the query":             {endpoint, "spec.url", "https://hooks.example.com/?q=a b", wantURLValid},
		"url has no space at the end":               {endpoint, "spec.url", "https://hooks.example.com/x ", wantURLValid},
		"url has no letter that is not ASCII":       {endpoint, "spec.url", "https://hooks.example.com/\u00fc", wantURLValid},
		"url has no malformed encoding in a query":  {endpoint, "spec.url", "https://hooks.example.com/?q=%zz", wantURLValid},
		"url has no half encoding at the end":       {endpoint, "spec.url", "https://hooks.example.com/?q=%4", wantURLValid},
		"url has more than a port":                  {endpoint, "spec.url", "https://:8443/x", wantURLHost},
		"url has no port 0":                         {endpoint, "spec.url", "https://hooks.example.com:0/x", wantURLHost},
		"url has no port of six digits":             {endpoint, "spec.url", "https://hooks.example.com:100000/x", wantURLHost},
		"url has no colon without a port":           {endpoint, "spec.url", "https://hooks.example.com:/x", wantURLHost},
		"url has no colon at the end":               {endpoint, "spec.url", "https://hooks.example.com:", wantURLHost},
		"url may be an IPv6 address without a port": {endpoint, "spec.url", "https://[2001:db8::]/x", ""},
		"url has no tab":                            {endpoint, "spec.url", "https://hooks.example.com/x\ty", wantURLValid},
	}
}

func baseURLCases() map[string]validationCase {
	const host = "https://hooks.example.com/"
	return map[string]validationCase{
		"baseURL may be https":                  {receiver, "spec.receiver.baseURL", "https://hooks.example.com", ""},
		"baseURL may be http":                   {receiver, "spec.receiver.baseURL", "http://hooks.example.com", ""},
		"baseURL may have an upper-case scheme": {receiver, "spec.receiver.baseURL", "Https://hooks.example.com", ""},
		"baseURL may have a port":               {receiver, "spec.receiver.baseURL", "https://hooks.example.com:8443", ""},
		"baseURL may be an IPv6 address":        {receiver, "spec.receiver.baseURL", "https://[2001:db8::7]:8443", ""},
		"baseURL may have a path":               {receiver, "spec.receiver.baseURL", "https://hooks.example.com/cloudinary/", ""},
		"baseURL may have an @ in the path":     {receiver, "spec.receiver.baseURL", "https://hooks.example.com/@media", ""},
		"baseURL may be 2048 bytes":             {receiver, "spec.receiver.baseURL", host + text(2048-len(host)), ""},
		"baseURL is not 2049 bytes":             {receiver, "spec.receiver.baseURL", host + text(2049-len(host)), "spec.receiver.baseURL: Too long: may not be more than 2048"},
		"baseURL is not empty":                  {receiver, "spec.receiver.baseURL", "", "spec.receiver.baseURL"},
		"path is Unguessable":                   {receiver, "spec.receiver.path", "Unguessable", ""},
		"path is Plain":                         {receiver, "spec.receiver.path", "Plain", ""},
		"path is nothing else":                  {receiver, "spec.receiver.path", "plain", `Unsupported value: "plain": supported values: "Unguessable", "Plain"`},
		"path is not empty":                     {receiver, "spec.receiver.path", "", `supported values: "Unguessable", "Plain"`},
		"path is no path":                       {receiver, "spec.receiver.path", "/hooks", `supported values: "Unguessable", "Plain"`},
		"baseURL is not ftp":                    {receiver, "spec.receiver.baseURL", "ftp://hooks.example.com", wantBaseScheme},
		"baseURL has a scheme":                  {receiver, "spec.receiver.baseURL", "hooks.example.com", wantBaseScheme},
		"baseURL has a host":                    {receiver, "spec.receiver.baseURL", "https://", wantBaseScheme},
		"baseURL has no credentials":            {receiver, "spec.receiver.baseURL", "https://user:password@hooks.example.com", wantBaseCredentials},
		"baseURL has no fragment":               {receiver, "spec.receiver.baseURL", "https://hooks.example.com#x", wantBaseQuery},
		"baseURL has no query":                  {receiver, "spec.receiver.baseURL", "https://hooks.example.com?x=1", wantBaseQuery},
		"baseURL has no empty query":            {receiver, "spec.receiver.baseURL", "https://hooks.example.com/?", wantBaseQuery},
		"baseURL has no space in the path":      {receiver, "spec.receiver.baseURL", "https://hooks.example.com/a b", wantBaseValid},
		"baseURL has more than a port":          {receiver, "spec.receiver.baseURL", "https://:8443", wantBaseHost},
		"baseURL has no space in the host":      {receiver, "spec.receiver.baseURL", "https://hooks example.com", wantBaseValid},
		"baseURL has no malformed percent-encoding": {
			receiver, "spec.receiver.baseURL", "https://hooks.example.com/%zz", wantBaseValid,
		},
	}
}

// checkOutcome looks at the message where one is expected, and else at the value that came back.
func checkOutcome(t *testing.T, object *unstructured.Unstructured, tc validationCase, err error) {
	t.Helper()
	if tc.want != "" {
		if err == nil {
			t.Fatalf("%s was accepted, want a message with %q", tc.field, tc.want)
		}
		if !strings.Contains(err.Error(), tc.want) {
			t.Errorf("message is\n%.2000s\nwant it to have\n%s", err.Error(), tc.want)
		}
		return
	}
	if err != nil {
		t.Fatalf("not accepted: %.2000s", err.Error())
	}
	got, _, err := unstructured.NestedFieldNoCopy(object.Object, strings.Split(tc.field, ".")...)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(tc.value, got); diff != "" {
		t.Errorf("%s did not come back as it was sent (-sent +got):\n%s", tc.field, diff)
	}
}

// base is a valid object with nothing but what is required.
func base(kind string) *unstructured.Unstructured {
	spec := map[string]any{"credentialsSecretRef": map[string]any{"name": "cloudinary"}}
	switch kind {
	case trigger:
		spec = map[string]any{"endpointRef": map[string]any{"name": "media"}, "eventTypes": []any{"upload"}}
	case endpoint:
		spec["url"] = "https://hooks.example.com/cloudinary"
	case receiver:
		spec["receiver"] = map[string]any{}
		kind = endpoint
	}
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       kind,
		"metadata":   map[string]any{"name": "base", "namespace": corev1.NamespaceDefault},
		"spec":       spec,
	}}
}

func fullTriggerSpec() map[string]any {
	return map[string]any{
		"endpointRef":      map[string]any{"namespace": "media", "name": "media"},
		"eventTypes":       []any{"upload", "delete"},
		"additive":         true,
		"filter":           map[string]any{"in": []any{"hero", map[string]any{"var": "tags"}}},
		"payloadTemplate":  map[string]any{"id": "{{asset.public_id}}"},
		"authScheme":       "legacy_hmac",
		"adoptionPolicy":   "Refuse",
		"deletionPolicy":   "Retain",
		"managementPolicy": "Observe",
	}
}

// changed sets or, by absent, removes the fields that are given as name, value, name, value.
func changed(object map[string]any, changes []any) map[string]any {
	for i := 0; i < len(changes); i += 2 {
		object[changes[i].(string)] = changes[i+1]
		if changes[i+1] == absent {
			delete(object, changes[i].(string))
		}
	}
	return object
}

func set(t *testing.T, object *unstructured.Unstructured, field string, value any) {
	t.Helper()
	path := strings.Split(field, ".")
	if value == absent {
		unstructured.RemoveNestedField(object.Object, path...)
		return
	}
	if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
		t.Fatal(err)
	}
}

func eventTypes(n int) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = fmt.Sprintf("event_%d", i)
	}
	return list
}

func repeat(n int, value any) []any {
	list := make([]any, n)
	for i := range list {
		list[i] = value
	}
	return list
}

// text is a word of n letters.
func text(n int) string { return strings.Repeat("a", n) }
