// SPDX-License-Identifier: Apache-2.0

// Package testenv gives tests a real API server: etcd and kube-apiserver with this project's CRDs, and
// kube-controller-manager where a test needs namespaces or dependants to go away. It is for tests only, knows
// nothing of what is tested, and never skips: without the programs a test fails, and says how to get them.
package testenv

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

const (
	// assetsVariable names the folder with etcd, kube-apiserver and kube-controller-manager.
	assetsVariable = "KUBEBUILDER_ASSETS"

	// A process takes two seconds on an idle machine; the rest is for one that builds something at the same time.
	processTimeout = 90 * time.Second
)

// Env is a running control plane.
type Env struct {
	// Config connects as a member of system:masters, without a limit on requests that a test could notice.
	Config *rest.Config
	// Kubeconfig is Config as a file's content, for programs that are run as processes of their own.
	Kubeconfig []byte
	// Scheme holds the built-in kinds, CustomResourceDefinition, and the kinds of this project.
	Scheme *runtime.Scheme
	// Client reads and writes at the API server itself, without a cache.
	Client client.WithWatch

	controlPlane      *envtest.Environment
	controllerManager *controllerManager
}

// Option changes what Start and Run start.
type Option func(*options)

type options struct {
	controllerManager bool
}

// WithControllerManager starts kube-controller-manager too, with the controllers that empty a deleted
// namespace, delete dependants and make service accounts. Without it a deleted namespace stays for ever.
func WithControllerManager() Option {
	return func(o *options) { o.controllerManager = true }
}

// Start starts a control plane that ends with the test.
func Start(tb testing.TB, opts ...Option) *Env {
	tb.Helper()
	env, err := start(opts)
	if err != nil {
		tb.Fatalf("start the test control plane: %v", err)
	}
	tb.Cleanup(func() {
		if err := env.Stop(); err != nil {
			tb.Errorf("stop the test control plane: %v", err)
		}
	})
	return env
}

// Run is for a TestMain whose tests share one control plane: it starts it, hands it to use, runs the tests,
// stops it, and returns the code to exit with.
func Run(m *testing.M, use func(*Env), opts ...Option) int {
	env, err := start(opts)
	if err != nil {
		fmt.Fprintf(os.Stderr, "start the test control plane: %v\n", err)
		return 1
	}
	use(env)
	code := m.Run()
	if err := env.Stop(); err != nil {
		fmt.Fprintf(os.Stderr, "stop the test control plane: %v\n", err)
		return max(code, 1)
	}
	return code
}

// Stop ends all processes and removes their data. Start and Run call it.
func (e *Env) Stop() error {
	return errors.Join(e.controllerManager.stop(), e.controlPlane.Stop())
}

func start(opts []Option) (*Env, error) {
	var o options
	for _, opt := range opts {
		opt(&o)
	}
	assets, err := assetsFolder(o)
	if err != nil {
		return nil, err
	}
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	env := &Env{Scheme: scheme}
	env.controlPlane, env.Config, err = StartControlPlane(func() *envtest.Environment {
		return &envtest.Environment{
			BinaryAssetsDirectory:    assets,
			CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd", "bases")},
			ErrorIfCRDPathMissing:    true,
			ControlPlaneStartTimeout: processTimeout,
			ControlPlaneStopTimeout:  processTimeout,
		}
	})
	if err != nil {
		return nil, errors.Join(err, env.Stop())
	}
	if err := env.start(assets, o); err != nil {
		return nil, errors.Join(err, env.Stop())
	}
	return env, nil
}

func (e *Env) start(assets string, o options) error {
	var err error
	e.Kubeconfig = e.controlPlane.KubeConfig
	if e.Client, err = client.NewWithWatch(e.Config, client.Options{Scheme: e.Scheme}); err != nil {
		return fmt.Errorf("make a client: %w", err)
	}
	if !o.controllerManager {
		return nil
	}
	// After the CRDs, so that the garbage collector knows the kinds from the start and not half a minute later.
	e.controllerManager, err = startControllerManager(filepath.Join(assets, controllerManagerProgram), e.Kubeconfig)
	return err
}

func newScheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	err := errors.Join(
		clientgoscheme.AddToScheme(scheme),
		apiextensionsv1.AddToScheme(scheme),
		v1alpha1.AddToScheme(scheme),
	)
	return scheme, err
}

func assetsFolder(o options) (string, error) {
	const wayOut = `run the tests with "make test", or first: export KUBEBUILDER_ASSETS="$(hack/kubernetes/build.sh)"`
	folder := os.Getenv(assetsVariable)
	if folder == "" {
		return "", fmt.Errorf("%s is not set; %s", assetsVariable, wayOut)
	}
	programs := []string{"etcd", "kube-apiserver"}
	if o.controllerManager {
		programs = append(programs, controllerManagerProgram)
	}
	for _, program := range programs {
		if _, err := os.Stat(filepath.Join(folder, program)); err != nil {
			return "", fmt.Errorf("%s=%s lacks %s (%w); %s", assetsVariable, folder, program, err, wayOut)
		}
	}
	return folder, nil
}

// moduleRoot is the nearest folder above the test's with a go.mod. A path noted at build time would be wrong
// with -trimpath, and in a moved checkout.
func moduleRoot() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "go.mod")); err == nil {
			return folder, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("no go.mod above the folder of the test")
		}
		folder = parent
	}
}
