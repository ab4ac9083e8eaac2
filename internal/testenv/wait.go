// SPDX-License-Identifier: Apache-2.0

package testenv

import (
	"context"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

const (
	pollInterval = 50 * time.Millisecond

	// A generated name may be 63 bytes long, and the server's suffix takes five.
	maxNamespacePrefix = 57
)

// NewNamespace makes a namespace named after the test. It is not deleted: it goes with the control plane.
func (e *Env) NewNamespace(tb testing.TB) string {
	tb.Helper()
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: namespacePrefix(tb.Name())}}
	if err := e.Client.Create(tb.Context(), namespace); err != nil {
		tb.Fatalf("create a namespace: %v", err)
	}
	return namespace.Name
}

// Eventually calls check until it returns nil. After the timeout the test fails with check's last error.
func Eventually(tb testing.TB, timeout time.Duration, check func() error) {
	tb.Helper()
	// A test's own context ends before its clean-up functions run, which may wait for something too.
	ctx := context.WithoutCancel(tb.Context())
	var last error
	err := wait.PollUntilContextTimeout(ctx, pollInterval, timeout, true, func(context.Context) (bool, error) {
		last = check()
		return last == nil, nil
	})
	if err != nil {
		tb.Fatalf("not so within %s: %v", timeout, last)
	}
}

// namespacePrefix turns a test's name into the beginning of a namespace's.
func namespacePrefix(test string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		default:
			return '-'
		}
	}, test)
	if len(name) > maxNamespacePrefix {
		name = name[:maxNamespacePrefix]
	}
	return strings.Trim(name, "-") + "-"
}
