// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
)

// controlPlaneTimeout is for a machine that builds something at the same time.
const controlPlaneTimeout = 2 * time.Minute

// cluster is etcd, kube-apiserver, and a folder with the programs, the kubeconfig and the logs.
type cluster struct {
	client       client.Client
	tracker      *tracker
	folder       string
	controlPlane *envtest.Environment
	stopTracker  context.CancelFunc
}

func startCluster(ctx context.Context, progress io.Writer) (_ *cluster, err error) {
	ctrl.SetLogger(logr.Discard())
	root, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	c := &cluster{stopTracker: func() {}}
	if c.folder, err = os.MkdirTemp("", "bench-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.stop())
		}
	}()
	for _, program := range []string{"manager", "cloudinary-sim"} {
		if err := build(ctx, root, program, c.program(program)); err != nil {
			return nil, err
		}
	}
	assets, err := kubernetesPrograms(ctx, root, progress)
	if err != nil {
		return nil, err
	}
	return c, c.startControlPlane(ctx, root, assets)
}

func (c *cluster) startControlPlane(ctx context.Context, root, assets string) error {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return err
	}
	c.controlPlane = &envtest.Environment{
		Scheme:                   scheme,
		BinaryAssetsDirectory:    assets,
		CRDDirectoryPaths:        []string{filepath.Join(root, "config", "crd", "bases")},
		ErrorIfCRDPathMissing:    true,
		ControlPlaneStartTimeout: controlPlaneTimeout,
		ControlPlaneStopTimeout:  controlPlaneTimeout,
	}
	config, err := c.controlPlane.Start()
	if err != nil {
		return fmt.Errorf("start the control plane: %w", err)
	}
	if err := os.WriteFile(c.kubeconfig(), c.controlPlane.KubeConfig, 0o600); err != nil {
		return err
	}
	if c.client, err = client.New(config, client.Options{Scheme: scheme}); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx)) // stop ends it.
	c.stopTracker = cancel
	c.tracker, err = startTracker(ctx, config, scheme)
	return err
}

func (c *cluster) program(name string) string { return filepath.Join(c.folder, name) }

func (c *cluster) kubeconfig() string { return filepath.Join(c.folder, "kubeconfig") }

func (c *cluster) stop() error {
	c.stopTracker()
	var err error
	if c.controlPlane != nil {
		err = c.controlPlane.Stop()
	}
	return errors.Join(err, os.RemoveAll(c.folder))
}

// build builds a program as the Makefile does.
func build(ctx context.Context, root, name, path string) error {
	command := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/"+name)
	command.Dir = root
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := command.CombinedOutput(); err != nil {
		return fmt.Errorf("build %s: %w\n%s", name, err, output)
	}
	return nil
}

// kubernetesPrograms is the folder with etcd and kube-apiserver, which are built where they are missing.
func kubernetesPrograms(ctx context.Context, root string, progress io.Writer) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(root, "hack", "kubernetes", "build.sh"), "etcd", "kube-apiserver")
	command.Stderr = progress
	folder, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("hack/kubernetes/build.sh: %w", err)
	}
	return strings.TrimSpace(string(folder)), nil
}

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
			return "", errors.New("run it inside the checkout: no go.mod above this folder")
		}
		folder = parent
	}
}
