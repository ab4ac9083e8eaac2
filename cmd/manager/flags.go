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
	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
)

// options are the manager's flags.
type options struct {
	controllers.Options

	kubeconfig              string
	watchNamespaces         string
	metricsAddress          string
	metricsSecure           bool
	probeAddress            string
	leaderElection          bool
	leaderElectionNamespace string
	leaseDuration           time.Duration
	renewDeadline           time.Duration
	retryPeriod             time.Duration
}

// leastRetryPeriod keeps a typing error from becoming thousands of calls a second to the API server.
const leastRetryPeriod = 100 * time.Millisecond

func newFlags(flags *flag.FlagSet) *options {
	o := &options{Options: controllers.DefaultOptions()}
	flags.DurationVar(&o.SyncInterval, "sync-interval", o.SyncInterval,
		"How often a product environment's triggers are listed to find drift; up to a tenth is added at random. At least 1s.")
	flags.DurationVar(&o.MinListInterval, "min-list-interval", o.MinListInterval,
		"The least time between two lists of an environment on average, however often it changes; three may follow each other at once.")
	flags.DurationVar(&o.SettleTime, "settle-time", o.SettleTime,
		"How long Cloudinary's list of triggers may lag behind a change, and a call may be under way.")
	flags.DurationVar(&o.CallTimeout, "call-timeout", o.CallTimeout, "How long one Admin API call may take.")
	flags.Float64Var(&o.CallShare, "call-share", o.CallShare,
		"The share of the plan's Admin API calls an hour that is spent at most, above 0 and at most 1; the plan's last twentieth is left alone in any case.")
	flags.IntVar(&o.URLLimit, "url-limit", o.URLLimit, "How many different notification URLs a product environment may hold.")
	flags.StringVar(&o.ReceiverBaseURL, "receiver-base-url", "",
		"The address under which the bundled receiver is reached from the internet, for endpoints whose spec.receiver has no baseURL.")
	flags.StringVar(&o.VerificationNamespace, "verification-namespace", "",
		"The namespace of the Secret with the verification keys for the bundled receiver. Default: that of the lease, see --leader-election-namespace.")
	flags.DurationVar(&o.VerificationKeyGrace, "verification-key-grace", o.VerificationKeyGrace,
		"How long notifications may still be signed with a key that is in no Secret any more; 0: not at all.")
	flags.BoolVar(&o.AllowInsecureAPIBase, "allow-insecure-api-base", false,
		"Permit Secrets whose Admin API is not https. Only for trials: whoever may write such a Secret can aim the manager at internal addresses.")
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path of a kubeconfig. Default: KUBECONFIG, then the Pod's service account, then ~/.kube/config.")
	flags.StringVar(&o.watchNamespaces, "watch-namespaces", "", "The namespaces to work in, separated by commas. Default: all.")
	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "The address of the metrics, or 0 for none.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "Serve metrics over https, to clients that the API server lets read /metrics.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "The address of /healthz and /readyz.")
	flags.BoolVar(&o.leaderElection, "leader-elect", true, "Let only one of several managers work.")
	flags.StringVar(&o.leaderElectionNamespace, "leader-election-namespace", "", "The namespace of the lease. Default: the Pod's.")
	flags.DurationVar(&o.leaseDuration, "leader-election-lease-duration", 30*time.Second, "How long a leader that has vanished is waited for.")
	flags.DurationVar(&o.renewDeadline, "leader-election-renew-deadline", 20*time.Second, "How long a leader tries to renew its lease before it gives up.")
	flags.DurationVar(&o.retryPeriod, "leader-election-retry-period", 4*time.Second, "The time between two tries to take or renew the lease.")
	return o
}

// check refuses what cannot work, naming the flag.
func (o *options) check(rest []string) error {
	var problems []error
	if len(rest) > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q: all options are flags, see --help", rest[0]))
	}
	problems = append(problems,
		program.AtLeast("--sync-interval", o.SyncInterval, time.Second),
		program.AtLeast("--min-list-interval", o.MinListInterval, 0),
		program.AtLeast("--settle-time", o.SettleTime, 0),
		program.AtLeast("--call-timeout", o.CallTimeout, time.Second),
		o.checkShare(),
		program.AtLeast("--url-limit", o.URLLimit, 1),
		program.AtLeast("--verification-key-grace", o.VerificationKeyGrace, 0),
	)
	if o.ReceiverBaseURL != "" {
		if _, err := plan.CheckURL(o.ReceiverBaseURL); err != nil {
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
	if o.CallShare > 0 && o.CallShare <= 1 { // which no NaN is
		return nil
	}
	return fmt.Errorf("--call-share is %g, must be above 0 and at most 1", o.CallShare)
}

// checkLease refuses times that leader election cannot work with, and a lease that a call to Cloudinary may outlive: a leader would never
// have the time that replacing a trigger takes.
func (o *options) checkLease() error {
	if err := program.AtLeast("--leader-election-retry-period", o.retryPeriod, leastRetryPeriod); err != nil {
		return err
	}
	// client-go waits a little longer than the retry period at times.
	if least := time.Duration(leaderelection.JitterFactor * float64(o.retryPeriod)); o.renewDeadline <= least {
		return fmt.Errorf("--leader-election-renew-deadline is %s, must be longer than %s (%g times --leader-election-retry-period)",
			o.renewDeadline, least, leaderelection.JitterFactor)
	}
	if o.leaseDuration <= o.renewDeadline {
		return fmt.Errorf("--leader-election-lease-duration is %s, must be longer than --leader-election-renew-deadline, which is %s",
			o.leaseDuration, o.renewDeadline)
	}
	if longest := o.leaseDuration - o.retryPeriod; o.CallTimeout >= longest {
		return fmt.Errorf("--call-timeout is %s, must be shorter than what is left of the lease when it is renewed, which is %s (--leader-election-lease-duration less --leader-election-retry-period)",
			o.CallTimeout, longest)
	}
	return nil
}
