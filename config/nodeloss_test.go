// SPDX-License-Identifier: Apache-2.0

package config_test

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// Kubernetes' own waits for a node that is lost, by its defaults, and for how long Cloudinary is sure to try again.
const (
	nodeMonitorGrace = 50 * time.Second
	forcedDetachment = 6 * time.Minute
	sureToTry        = 9 * time.Minute
	attachAndStart   = time.Minute
)

func TestTheReceiverLeavesALostNodeWhileCloudinaryTries(t *testing.T) {
	for _, folder := range programFolders() {
		tolerations := receiverDeployment(t, folder).Spec.Template.Spec.Tolerations
		for _, taint := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			i := slices.IndexFunc(tolerations, func(t corev1.Toleration) bool {
				return t.Key == taint && t.Operator == corev1.TolerationOpExists && t.Effect == corev1.TaintEffectNoExecute
			})
			if i < 0 || tolerations[i].TolerationSeconds == nil {
				t.Errorf("%s: nothing is said of %s, so that Kubernetes gives it 5 minutes: %+v", folder, taint, tolerations)
				continue
			}
			tolerated := time.Duration(*tolerations[i].TolerationSeconds) * time.Second
			if back := nodeMonitorGrace + tolerated + forcedDetachment + attachAndStart; back > sureToTry {
				t.Errorf("%s: with %s for %s it is back after %s, and Cloudinary is sure to try for %s", folder, tolerated, taint, back, sureToTry)
			}
		}
	}
}
