// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"errors"
	"time"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

const (
	// controlPlaneTries is how many control planes are tried one after the other.
	controlPlaneTries = 4
	// endsAtOnce is how long a try may take that is worth another one: its process ended, and did not merely take its time.
	endsAtOnce = 15 * time.Second
)

// StartControlPlane starts the control plane that make returns, which the caller stops, also where there is an error besides it. Where one of its
// processes ends at once it makes another one: envtest chooses a port, and tries that again and again where somebody else has taken it
// before its process came to listen.
func StartControlPlane(newEnvironment func() *envtest.Environment) (*envtest.Environment, *rest.Config, error) {
	var failures error
	for try := 1; ; try++ {
		environment, begun := newEnvironment(), time.Now()
		config, err := environment.Start()
		if err == nil {
			return environment, config, nil
		}
		failures = errors.Join(failures, err)
		if try == controlPlaneTries || time.Since(begun) > endsAtOnce {
			return environment, nil, failures
		}
		if err := environment.Stop(); err != nil {
			return environment, nil, errors.Join(failures, err)
		}
	}
}
