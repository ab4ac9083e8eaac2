// SPDX-License-Identifier: Apache-2.0

package events

import (
	"os"
	"testing"

	"github.com/go-logr/logr"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/cloudinary-operator/cloudinary-operator/internal/kube"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var (
	api *testenv.Env
	// writing is the client that the receiver has.
	writing *kube.Client
)

func TestMain(m *testing.M) {
	ctrl.SetLogger(logr.Discard())
	os.Exit(testenv.Run(m, func(e *testenv.Env) {
		api = e
		var err error
		if writing, err = kube.New(e.Config); err != nil {
			panic(err)
		}
	}, testenv.WithControllerManager()))
}
