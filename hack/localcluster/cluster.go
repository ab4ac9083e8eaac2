// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"
)

const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"

	// Each is ready within seconds; the rest is for a machine that builds something at the same time.
	readyTimeout = 2 * time.Minute
)

// componentNames are the control plane's, in the order in which one needs the other.
func componentNames() []string { return []string{etcd, apiServer, controllerManager} }

type cluster struct {
	state  *state
	assets string
	node   string // its address; empty: there is none
	// controllers reports whether kube-controller-manager is part of it.
	controllers bool
	pki         pki
}

// component is one process of the control plane.
type component struct {
	name string
	// prepare chooses ports, writes files, and returns the arguments.
	prepare func(context.Context) ([]string, error)
	ready   func(context.Context) error
}

// up starts what does not run. A component that is started anew takes those with it that connect to it.
func up(ctx context.Context, c *cluster, messages io.Writer) error {
	var err error
	if c.pki, err = ensurePKI(c.state.path("pki"), c.node); err != nil {
		return err
	}
	components := []component{
		{etcd, c.etcdArguments, c.etcdReady},
		{apiServer, c.apiServerArguments, c.apiServerReady},
	}
	if c.controllers {
		components = append(components, component{controllerManager, c.controllerManagerArguments, c.controllerManagerReady})
	} else if err := stopNamed(ctx, c.state, controllerManager, messages); err != nil {
		return err
	}
	anew := false
	for _, component := range components {
		if anew, err = c.ensure(ctx, component, anew, messages); err != nil {
			return err
		}
	}
	return nil
}

// ensure reports whether the component was started anew.
func (c *cluster) ensure(ctx context.Context, component component, anew bool, messages io.Writer) (bool, error) {
	arguments, err := component.prepare(ctx)
	if err != nil {
		return false, fmt.Errorf("prepare %s: %w", component.name, err)
	}
	argv := append([]string{filepath.Join(c.assets, component.name)}, arguments...)
	mark, err := fingerprint(argv, c.pki.path("ca.crt"))
	if err != nil {
		return false, err
	}
	p, noted := c.state.find(component.name)
	if anew || !noted || p.fingerprint != mark || !p.alive(ctx) {
		anew = true
		if err := p.end(ctx, restartTimeout); err != nil {
			return false, err
		}
		if p, err = start(ctx, c.state, component.name, argv, mark); err != nil {
			return false, err
		}
		fmt.Fprintf(messages, "started %s (process %d, log %s)\n", p.name, p.pid, c.state.logFile(p.name))
	}
	return anew, waitUntil(ctx, c.state, p, readyTimeout, component.ready)
}

func (c *cluster) etcdArguments(ctx context.Context) ([]string, error) {
	clients, err := c.address(ctx, etcd+"/clients")
	if err != nil {
		return nil, err
	}
	peers, err := c.address(ctx, etcd+"/peers")
	if err != nil {
		return nil, err
	}
	return []string{
		"--name=local",
		"--data-dir=" + c.state.path("etcd"),
		"--listen-client-urls=http://" + clients,
		"--advertise-client-urls=http://" + clients,
		"--listen-peer-urls=http://" + peers,
		"--initial-advertise-peer-urls=http://" + peers,
		"--initial-cluster=local=http://" + peers,
		// What is in this cluster can be made again; several fsyncs for each write would make it half as fast. A
		// process that is killed loses nothing by it, a machine that loses its power may.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}, nil
}

func (c *cluster) etcdReady(ctx context.Context) error {
	address, err := c.address(ctx, etcd+"/clients")
	if err != nil {
		return err
	}
	return answers(ctx, &http.Client{Timeout: 5 * time.Second}, "http://"+address+"/health")
}

func (c *cluster) apiServerArguments(ctx context.Context) ([]string, error) {
	store, err := c.address(ctx, etcd+"/clients")
	if err != nil {
		return nil, err
	}
	own, err := c.address(ctx, apiServer)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(own, ":")
	return append([]string{
		"--etcd-servers=http://" + store,
		"--secure-port=" + port,
		"--service-cluster-ip-range=10.96.0.0/16",
		"--client-ca-file=" + c.pki.path("ca.crt"),
		"--tls-cert-file=" + c.pki.path("apiserver.crt"),
		"--tls-private-key-file=" + c.pki.path("apiserver.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki.path("sa.pub"),
		"--service-account-signing-key-file=" + c.pki.path("sa.key"),
		"--profiling=false",
	}, c.apiServerNodeArguments()...), nil
}

// apiServerReady also writes the administrator's kubeconfig, which is right from then on.
func (c *cluster) apiServerReady(ctx context.Context) error {
	address, err := c.address(ctx, apiServer)
	if err != nil {
		return err
	}
	client, err := c.adminClient()
	if err != nil {
		return err
	}
	defer client.CloseIdleConnections()
	if err := answers(ctx, client, "https://"+address+"/readyz"); err != nil {
		return err
	}
	if c.node != "" {
		if err := c.writeNodeKubeconfigs("https://" + address); err != nil {
			return err
		}
	}
	return c.pki.writeKubeconfig(c.state.path("kubeconfig"), "https://"+address, "admin")
}

func (c *cluster) controllerManagerArguments(ctx context.Context) ([]string, error) {
	address, err := c.address(ctx, apiServer)
	if err != nil {
		return nil, err
	}
	own, err := c.address(ctx, controllerManager)
	if err != nil {
		return nil, err
	}
	_, port, _ := strings.Cut(own, ":")
	kubeconfig := c.state.path("kube-controller-manager.kubeconfig")
	if err := c.pki.writeKubeconfig(kubeconfig, "https://"+address, "kube-controller-manager"); err != nil {
		return nil, err
	}
	arguments := []string{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + port,
		"--cert-dir=" + c.state.path("kube-controller-manager"), // Makes itself a certificate there.
		"--leader-elect=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.pki.path("sa.key"),
		"--root-ca-file=" + c.pki.path("ca.crt"),
		"--profiling=false",
	}
	if c.node == "" {
		// The others work for Pods and nodes, which there are none of.
		arguments = append(arguments, "--controllers="+strings.Join([]string{
			"namespace-controller", "garbage-collector-controller", "serviceaccount-controller", "serviceaccount-token-controller",
			"root-ca-certificate-publisher-controller", "clusterrole-aggregation-controller", "resourcequota-controller",
		}, ","))
	}
	return arguments, nil
}

func (c *cluster) controllerManagerReady(ctx context.Context) error {
	address, err := c.address(ctx, controllerManager)
	if err != nil {
		return err
	}
	// Its certificate is one that it made itself and nobody else knows; what is asked for is no secret.
	insecure := &tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}
	client := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: insecure}}
	defer client.CloseIdleConnections()
	return answers(ctx, client, "https://"+address+"/healthz")
}

// adminClient trusts the cluster's own authority, and no other.
func (c *cluster) adminClient() (*http.Client, error) {
	authority, err := os.ReadFile(c.pki.path("ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(authority) {
		return nil, errors.New("ca.crt holds no certificate")
	}
	pair, err := tls.LoadX509KeyPair(c.pki.path("admin.crt"), c.pki.path("admin.key"))
	if err != nil {
		return nil, err
	}
	config := &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	return &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{TLSClientConfig: config}}, nil
}

func (c *cluster) address(ctx context.Context, portName string) (string, error) {
	port, err := c.state.port(ctx, portName)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("127.0.0.1:%d", port), nil
}
