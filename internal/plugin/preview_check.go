// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

var (
	objectName    = regexp.MustCompile(`^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$`)
	namespaceName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)
)

// specProblems are the reasons why the API server would refuse a trigger's spec, without its filter
// and template. There may be no API server to ask, so it repeats the CRD's schema. A test compares
// the two.
func specProblems(spec *v1alpha1.CloudinaryTriggerSpec) []string {
	problems := eventTypeProblems(spec.EventTypes)
	note := func(field, format string, values ...any) {
		problems = append(problems, "spec."+field+": "+fmt.Sprintf(format, values...))
	}
	oneOf := func(field, value string, allowed ...string) {
		if value != "" && !slices.Contains(allowed, value) {
			note(field, "is %q, and may be %s", value, strings.Join(allowed, ", "))
		}
	}
	switch ref := spec.EndpointRef; {
	case ref.Name == "":
		note("endpointRef.name", "is needed")
	case !objectName.MatchString(ref.Name):
		note("endpointRef.name", "%q is not the name of an object", ref.Name)
	case ref.Namespace != "" && !namespaceName.MatchString(ref.Namespace):
		note("endpointRef.namespace", "%q is not the name of a namespace", ref.Namespace)
	}
	oneOf("authScheme", string(spec.AuthScheme),
		string(v1alpha1.AuthSchemeDefault), string(v1alpha1.AuthSchemeLegacyHMAC), string(v1alpha1.AuthSchemeEdDSAV2))
	oneOf("adoptionPolicy", string(spec.AdoptionPolicy), string(v1alpha1.AdoptionPolicyAdopt), string(v1alpha1.AdoptionPolicyRefuse))
	oneOf("deletionPolicy", string(spec.DeletionPolicy), string(v1alpha1.DeletionPolicyDelete), string(v1alpha1.DeletionPolicyRetain))
	oneOf("managementPolicy", string(spec.ManagementPolicy), string(v1alpha1.ManagementPolicyEnforce), string(v1alpha1.ManagementPolicyObserve))
	return problems
}

func eventTypeProblems(eventTypes []string) []string {
	var problems []string
	if len(eventTypes) == 0 {
		problems = append(problems, "spec.eventTypes: names no event type")
	}
	if len(eventTypes) > maxEventTypes {
		problems = append(problems, fmt.Sprintf("spec.eventTypes: has %d event types, and may have %d at most", len(eventTypes), maxEventTypes))
	}
	for i, eventType := range eventTypes {
		if !eventTypePattern.MatchString(eventType) {
			problems = append(problems, fmt.Sprintf(
				"spec.eventTypes[%d]: %q is not an event type: lower-case letters, digits and underscores, starting with a letter, 64 at most", i, eventType))
		}
		if slices.Contains(eventTypes[:i], eventType) {
			problems = append(problems, fmt.Sprintf("spec.eventTypes[%d]: %q is there twice", i, eventType))
		}
	}
	return problems
}
