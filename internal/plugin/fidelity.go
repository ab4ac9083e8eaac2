// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime"
	utiljson "k8s.io/apimachinery/pkg/util/json"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
)

// A file, kubectl and the API server each change free JSON on its way into the cluster.

// checkKept refuses JSON that Kubernetes changes: it has numbers only as 64-bit integers or
// floating-point numbers.
func checkKept(canonical string) error {
	if canonical == "" {
		return nil
	}
	var value any
	if err := utiljson.Unmarshal([]byte(canonical), &value); err != nil {
		return errors.New("has a number that Kubernetes cannot hold")
	}
	raw, err := encodeJSON(value)
	if err != nil {
		return err
	}
	kept, err := plan.CanonicalJSON(raw)
	if err != nil {
		return err
	}
	if kept != canonical {
		return errors.New("has an integer of more than 64 bits, which Kubernetes would round")
	}
	return nil
}

// nullMembers are the null members of a trigger's filter and template. kubectl apply drops them,
// and --server-side keeps them.
func nullMembers(t *v1alpha1.CloudinaryTrigger) []string {
	return slices.Concat(nullsIn("spec.filter", t.Spec.Filter), nullsIn("spec.payloadTemplate", t.Spec.PayloadTemplate))
}

func nullsIn(path string, raw *runtime.RawExtension) []string {
	if raw == nil {
		return nil
	}
	var value any
	if json.Unmarshal(raw.Raw, &value) != nil {
		return nil // which is for others to say
	}
	return nullsBelow(path, value)
}

// nullsBelow walks as kubectl does, which leaves elements of lists alone, but not members of
// objects in them.
func nullsBelow(path string, value any) []string {
	var found []string
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if below := path + member(name); v[name] == nil {
				found = append(found, below)
			} else {
				found = append(found, nullsBelow(below, v[name])...)
			}
		}
	case []any:
		for i, element := range v {
			found = append(found, nullsBelow(fmt.Sprintf("%s[%d]", path, i), element)...)
		}
	}
	return found
}

var plainMember = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// member is a step of a path, which goes into comments and onto terminals.
func member(name string) string {
	if plainMember.MatchString(name) {
		return "." + name
	}
	return "[" + strconv.QuoteToASCII(name) + "]"
}
