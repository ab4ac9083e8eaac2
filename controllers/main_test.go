// SPDX-License-Identifier: Apache-2.0

package controllers_test

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/manager"
)

func TestMain(m *testing.M) { os.Exit(controllers.RunTests(m, newManager)) }

func newManager(config *rest.Config, w controllers.Wiring) (ctrl.Manager, error) {
	o := manager.Options{Options: w.Options, Registry: w.Registry, Confined: w.Confined}
	if w.LeaseNamespace != "" {
		o.Lease = manager.PatientLease(w.LeaseNamespace)
	}
	return manager.New(config, o)
}
