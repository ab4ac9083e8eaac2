// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"strings"
	"time"

	"k8s.io/client-go/tools/leaderelection"

	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/check"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/manager"
	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
)

// options are the manager's flags.
type options struct {
	controllers.Options

	kubeconfig              string
	watchNamespaces         string
	allowedAPIBases         string
	metricsAddress          string
	metricsSecure           bool
	metricsCert             string
	metricsKey              string
	probeAddress            string
	leaderElection          bool
	leaderElectionNamespace string
	lease                   manager.Lease
}

// leastRetryPeriod keeps a typing error from becoming thousands of calls a second to the API
// server.
const leastRetryPeriod = 100 * time.Millisecond

func newFlags(flags *flag.FlagSet) *options {
	o := &options{Options: controllers.DefaultOptions(), lease: manager.DefaultLease()}
	flags.DurationVar(&o.SyncInterval, "sync-interval", o.SyncInterval,
		"Time between two regular lists of a product environment's triggers, which find drift; up to a tenth is added at random. At least 1s.")
	flags.DurationVar(&o.MinListInterval, "min-list-interval", o.MinListInterval,
		"Minimum average time between two list calls per product environment; bursts of three are allowed. The regular lists of --sync-interval are made in any case. 0: no minimum.")
	flags.DurationVar(&o.SettleTime, "settle-time", o.SettleTime,
		"How long Cloudinary's list of triggers may lag behind a change, the call itself included. A change that the list does not show after that counts as lost.")
	flags.DurationVar(&o.CallTimeout, "call-timeout", o.CallTimeout,
		"Maximum time for one Admin API call; one that takes longer has failed and is retried. At least 1s. With leader election, shorter than the lease duration minus the retry period.")
	flags.Float64Var(&o.CallShare, "call-share", o.CallShare,
		"Maximum share of the Cloudinary plan's hourly Admin API calls that the manager uses, above 0 and at most 1. Changes beyond this wait for Cloudinary's next reset. The manager never uses the last twentieth of the calls.")
	flags.IntVar(&o.URLLimit, "url-limit", o.URLLimit,
		"Maximum number of different notification URLs in a product environment. No URL is added beyond this, and the objects that ask for one say so. Cloudinary's own limit applies as well. At least 1.")
	flags.StringVar(&o.ReceiverBaseURL, "receiver-base-url", "",
		"Public address of the bundled receiver, such as https://hooks.example.com, for endpoints whose spec.receiver has no baseURL. Without it, such endpoints are not accepted.")
	flags.StringVar(&o.VerificationNamespace, "verification-namespace", "",
		"Namespace of the Secret in which the manager keeps the receiver's verification keys. Default: the namespace of the lease, see --leader-election-namespace.")
	flags.DurationVar(&o.VerificationKeyGrace, "verification-key-grace", o.VerificationKeyGrace,
		"How long the receiver still accepts notifications signed with a key that was removed from the endpoint's Secret. 0: not at all.")
	flags.StringVar(&o.allowedAPIBases, "allowed-api-bases", "",
		"Admin API addresses (upload_prefix) that Secrets may name besides Cloudinary's own, separated by commas: hosts such as proxy.example.com:8443, perhaps with http:// before and a path after; *.example.com; or * for all. Error messages of hosts that only a pattern allows are not shown.")
	flags.BoolVar(&o.AllowInsecureAPIBase, "allow-insecure-api-base", false,
		"Accept Secrets whose Admin API address (upload_prefix) is http instead of https, if --allowed-api-bases names it. For trials only: credentials travel unencrypted.")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path to a kubeconfig file. Default: KUBECONFIG, then the Pod's service account, then ~/.kube/config.")
	flags.StringVar(&o.watchNamespaces, "watch-namespaces", "", "Namespaces to work in, separated by commas. Default: all.")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "Address on which /metrics is served; 0 disables it.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true,
		"Serve /metrics over https, and only to clients that the API server allows to get /metrics. false: plain http, to anyone.")
	flags.StringVar(&o.metricsCert, "metrics-cert-file", "",
		"PEM file with the certificate for /metrics, and its chain; read again after a renewal. Default: a self-signed certificate, made at each start.")
	flags.StringVar(&o.metricsKey, "metrics-key-file", "", "PEM file with the key of --metrics-cert-file.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "Address on which /healthz and /readyz are served; 0 disables them.")
	flags.BoolVar(&o.leaderElection, "leader-elect", true, "Enable leader election, so that one replica is active at a time.")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "",
		"Namespace of the leader election lease. Default: the Pod's. Required outside a cluster, unless --leader-elect=false.")
	flags.DurationVar(&o.lease.Duration, "leader-election-lease-duration", o.lease.Duration,
		"How long standbys wait after the last renewal before one takes over. Longer than the renew deadline.")
	flags.DurationVar(&o.lease.RenewDeadline, "leader-election-renew-deadline", o.lease.RenewDeadline,
		"How long the leader tries to renew its lease before it exits. Longer than 1.2 times the retry period.")
	flags.DurationVar(&o.lease.RetryPeriod, "leader-election-retry-period", o.lease.RetryPeriod,
		"Time between two attempts to acquire or renew the lease. At least 100ms.")
	return o
}

// Check refuses settings that cannot work, and names the flag.
func (o *options) Check() error {
	problems := []error{
		program.AtLeast("--sync-interval", o.SyncInterval, time.Second),
		program.AtLeast("--min-list-interval", o.MinListInterval, 0),
		program.AtLeast("--settle-time", o.SettleTime, 0),
		program.AtLeast("--call-timeout", o.CallTimeout, time.Second),
		o.checkShare(),
		program.AtLeast("--url-limit", o.URLLimit, 1),
		program.AtLeast("--verification-key-grace", o.VerificationKeyGrace, 0),
		metricsserver.CheckFiles(o.metricsCert, o.metricsKey, o.metricsSecure),
	}
	if _, err := cloudinary.ParseAPIBases(o.allowedAPIBases); err != nil {
		problems = append(problems, fmt.Errorf("--allowed-api-bases: %w", err))
	}
	if o.ReceiverBaseURL != "" {
		if err := check.Notifiable(o.ReceiverBaseURL); err != nil {
			problems = append(problems, fmt.Errorf("--receiver-base-url: %w", err))
		}
		if strings.ContainsAny(o.ReceiverBaseURL, "?#") {
			problems = append(problems, errors.New("--receiver-base-url must have neither a query nor a fragment"))
		}
	}
	if o.leaderElection {
		problems = append(problems, o.checkLease())
	}
	return errors.Join(problems...)
}

func (o *options) checkShare() error {
	if o.CallShare > 0 && o.CallShare <= 1 { // false for NaN
		return nil
	}
	return fmt.Errorf("--call-share is %g, must be above 0 and at most 1", o.CallShare)
}

// checkLease refuses times that leader election cannot work with, and a lease that a call to
// Cloudinary may outlive: a leader would never have enough time to replace a trigger.
func (o *options) checkLease() error {
	if err := program.AtLeast("--leader-election-retry-period", o.lease.RetryPeriod, leastRetryPeriod); err != nil {
		return err
	}
	// client-go waits a little longer than the retry period at times.
	if least := time.Duration(leaderelection.JitterFactor * float64(o.lease.RetryPeriod)); o.lease.RenewDeadline <= least {
		return fmt.Errorf("--leader-election-renew-deadline is %s, must be longer than %s (%g times --leader-election-retry-period)",
			o.lease.RenewDeadline, least, leaderelection.JitterFactor)
	}
	if o.lease.Duration <= o.lease.RenewDeadline {
		return fmt.Errorf("--leader-election-lease-duration is %s, must be longer than --leader-election-renew-deadline, which is %s",
			o.lease.Duration, o.lease.RenewDeadline)
	}
	if longest := o.lease.Duration - o.lease.RetryPeriod; o.CallTimeout >= longest {
		return fmt.Errorf("--call-timeout is %s, must be shorter than what is left of the lease when it is renewed, which is %s (--leader-election-lease-duration less --leader-election-retry-period)",
			o.CallTimeout, longest)
	}
	return nil
}
