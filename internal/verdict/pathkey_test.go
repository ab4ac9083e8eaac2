// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

func TestWhyAnAddressCannotBeComputed(t *testing.T) {
	t.Parallel()
	secrets := schema.GroupResource{Resource: "secrets"}
	for name, test := range map[string]struct {
		err  error
		says string
	}{
		"the Secret may not be read": {fmt.Errorf("get: %w", apierrors.NewForbidden(secrets, "k", errors.New("no rule of 12:34"))), "(the API server says Forbidden)"},
		"the Secret has another key": {fmt.Errorf("path key: %w", resolve.ErrPathKeyInvalid), "(its key has not "},
		"the API server is away":     {errors.New("dial tcp 10.0.0.1:443 at 12:34: refused"), "(see the manager's log)"},
	} {
		p := PathKeyUnavailable("operator", test.err)
		if p.Reason != v1alpha1.ReasonPathKeyUnavailable || !strings.Contains(p.Message, test.says) || strings.Contains(p.Message, "12:34") {
			t.Errorf("%s: %+v, want %q", name, *p, test.says)
		}
	}
	if p := PathKeyHasNoNamespace(); p.Reason != v1alpha1.ReasonPathKeyUnavailable {
		t.Errorf("without a namespace: %+v", *p)
	}
}
