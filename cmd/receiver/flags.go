// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/metricsserver"
	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/admin"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery/service"
)

// options are the receiver's flags.
type options struct {
	kubeconfig      string
	namespace       string
	watchNamespaces string

	store        queue.Options
	storeDurable bool

	handler        webhookreceiver.Options
	address        string
	maxConnections int

	metricsAddress string
	metricsSecure  bool
	metricsCert    string
	metricsKey     string
	probeAddress   string
	adminAddress   string

	serviceRouting            string
	addresses                 service.Addresses
	denyTargetCIDRs           string
	allowSelectorlessServices bool

	shutdownDelay   time.Duration
	shutdownTimeout time.Duration
}

// The ways to reach a Service.
const (
	routingClusterIP = "ClusterIP"
	routingEndpoints = "Endpoints"
)

func newFlags(flags *flag.FlagSet) *options {
	o := &options{handler: webhookreceiver.DefaultOptions()}
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path to a kubeconfig file. Default: KUBECONFIG, then the Pod's service account, then ~/.kube/config.")
	flags.StringVar(&o.namespace, "namespace", "", "Namespace in which the manager keeps the verification keys. Default: the Pod's. Required outside a cluster.")
	flags.StringVar(&o.watchNamespaces, "watch-namespaces", "", "Namespaces whose endpoints are served, separated by commas. Default: all.")

	flags.StringVar(&o.store.Dir, "store-dir", "/var/lib/cloudinary-receiver",
		"Directory of the store. One receiver uses it at a time; another one waits, alive and not ready.")
	flags.BoolVar(&o.storeDurable, "store-durable", true,
		"Whether the directory outlives the Pod. false: the log and a metric say that notifications that are not delivered are lost with the Pod; nothing else changes.")
	flags.Int64Var(&o.store.MaxBytes, "store-max-bytes", queue.DefaultMaxBytes,
		"Maximum size in bytes of the notifications that are not delivered yet, dead letters included; one endpoint gets four fifths at most. Requests beyond this are answered 503.")
	flags.IntVar(&o.store.MaxNotifications, "store-max-notifications", queue.DefaultMaxNotifications,
		"Maximum number of notifications that are not delivered yet, dead letters included; one counts once more for each two targets beyond its first, and one endpoint gets four fifths at most. Requests beyond this are answered 503.")
	flags.IntVar(&o.store.MaxKeys, "store-max-keys", queue.DefaultMaxKeys,
		"Maximum number of notifications that are remembered to recognize duplicates, about 34 bytes of memory each. Beyond this the oldest one is forgotten early of the endpoint that has most, in the namespace that has most, and a duplicate of it is delivered.")
	flags.Int64Var(&o.store.MinFreeBytes, "store-min-free-bytes", 0,
		"Bytes that must stay free on the volume. Requests that would leave less are answered 503. 0: 1 % of the volume, at least 32 MiB and at most a quarter of it.")
	flags.BoolVar(&o.store.Salvage, "store-salvage", false,
		"Start with a damaged store and give up what cannot be read. For a single start, once the log has said what is lost.")

	flags.StringVar(&o.address, "notifications-bind-address", ":8080", "Address on which Cloudinary's notifications are taken, over plain http: TLS ends in front of it.")
	flags.Int64Var(&o.handler.MaxBodyBytes, "max-body-bytes", o.handler.MaxBodyBytes, "Maximum size in bytes of one notification. Larger requests are refused.")
	flags.Int64Var(&o.handler.MaxInFlightBytes, "max-in-flight-bytes", o.handler.MaxInFlightBytes,
		"Maximum size in bytes of all notifications held in memory at once, beyond the first 4 KiB of each. For one beyond this, that makes room which has been longest without a right signature; where there is none, it is answered 503. At least twice --max-body-bytes.")
	flags.IntVar(&o.handler.MaxInFlight, "max-in-flight-requests", o.handler.MaxInFlight,
		"Maximum number of requests worked on at once; half of them for one endpoint, until their signature is found right. For one beyond this, that makes room which has been longest without a right signature; where there is none, it is answered 503.")
	flags.IntVar(&o.handler.MaxEndpointRate, "max-endpoint-rate", 0,
		"Maximum average number of new notifications a second for one endpoint; bursts of as many are allowed. Requests beyond this are answered 503. What does not verify, is no JSON or was stored before does not count. 0: no maximum.")
	flags.BoolVar(&o.handler.VerboseRefusals, "verbose-refusals", false,
		"Tell everybody why a request is refused, and so which endpoints there are. For finding out what is wrong; metrics, status and log have the reasons in any case.")
	flags.IntVar(&o.maxConnections, "max-connections", webhookreceiver.DefaultMaxConnections,
		"Maximum number of open connections. For a further one, that is closed which has been open longest without a rightly signed request.")

	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "Address on which /metrics is served; 0 disables it.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true,
		"Serve /metrics over https, and only to clients that the API server allows to get /metrics. false: plain http, to anyone.")
	flags.StringVar(&o.metricsCert, "metrics-cert-file", "",
		"PEM file with the certificate that /metrics is served with, and those that vouch for it; read again when it is renewed. Default: one that nobody has signed, made at each start.")
	flags.StringVar(&o.metricsKey, "metrics-key-file", "", "PEM file with the key of --metrics-cert-file.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "Address on which /healthz and /readyz are served; 0 disables them.")
	flags.StringVar(&o.adminAddress, "admin-bind-address", "127.0.0.1:8082",
		"Loopback address on which dead letters can be listed, redriven and discarded; 0 disables it. It asks for no login: anyone who can forward a port to the Pod can use it.")

	flags.StringVar(&o.serviceRouting, "service-routing", routingClusterIP,
		"How Services are reached: ClusterIP, or Endpoints, which chooses one of the ready endpoints in their EndpointSlices for each attempt. Headless Services are always reached the second way.")
	flags.BoolVar(&o.addresses.AllowLoopback, "allow-loopback-services", false, "Allow targets at the receiver's own host. For development only.")
	flags.BoolVar(&o.allowSelectorlessServices, "allow-selectorless-services", false,
		"Allow Services of which others than Kubernetes say where they lead: those without a selector, and those with EndpointSlices that Kubernetes does not manage. Whoever may write EndpointSlices can then have notifications sent to nearly any address.")
	flags.StringVar(&o.denyTargetCIDRs, "deny-target-cidrs", "",
		"Networks that no target may be in, in CIDR notation, separated by commas. They are added to those that are always refused: loopback, link-local, multicast, and the metadata services of clouds.")

	flags.DurationVar(&o.shutdownDelay, "shutdown-delay", time.Second,
		"How long notifications are still taken after a signal to stop, while senders are asked to close their connections.")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 20*time.Second,
		"Maximum time after that for requests in progress to end, and then as long for deliveries. Deliveries that are cut off are made again after the next start.")
	return o
}

// Check refuses what cannot work, naming the flag.
func (o *options) Check() error {
	problems := []error{
		program.AtLeast("--store-max-bytes", o.store.MaxBytes, 1),
		program.AtLeast("--store-max-notifications", o.store.MaxNotifications, 1),
		program.AtLeast("--store-max-keys", o.store.MaxKeys, 1),
		program.AtLeast("--store-min-free-bytes", o.store.MinFreeBytes, 0),
		program.AtLeast("--max-body-bytes", o.handler.MaxBodyBytes, 1),
		program.AtLeast("--max-in-flight-bytes", o.handler.MaxInFlightBytes, 1),
		program.AtLeast("--max-in-flight-requests", o.handler.MaxInFlight, 1),
		program.AtLeast("--max-endpoint-rate", o.handler.MaxEndpointRate, 0),
		program.AtLeast("--max-connections", o.maxConnections, 1),
		metricsserver.CheckFiles(o.metricsCert, o.metricsKey, o.metricsSecure),
		program.AtLeast("--shutdown-delay", o.shutdownDelay, 0),
		program.AtLeast("--shutdown-timeout", o.shutdownTimeout, time.Second),
	}
	if o.handler.MaxInFlightBytes/2 < o.handler.MaxBodyBytes {
		problems = append(problems, fmt.Errorf("--max-in-flight-bytes is %d, must be at least twice --max-body-bytes, which is %d: one endpoint may use half of it",
			o.handler.MaxInFlightBytes, o.handler.MaxBodyBytes))
	}
	if o.serviceRouting != routingClusterIP && o.serviceRouting != routingEndpoints {
		problems = append(problems, fmt.Errorf("--service-routing is %q, must be %s or %s", o.serviceRouting, routingClusterIP, routingEndpoints))
	}
	var err error
	if o.addresses.Deny, err = service.ParseDeny(o.denyTargetCIDRs); err != nil {
		problems = append(problems, fmt.Errorf("--deny-target-cidrs: %w", err))
	}
	if err := checkAdminAddress(o.adminAddress); err != nil {
		problems = append(problems, err)
	}
	if o.store.Dir == "" {
		problems = append(problems, errors.New("--store-dir must not be empty"))
	}
	if o.namespace == "" {
		o.namespace = program.PodNamespace()
	}
	if o.namespace == "" {
		problems = append(problems, errors.New("--namespace must be given outside a cluster: it is where the manager keeps the verification keys"))
	}
	return errors.Join(problems...)
}

func checkAdminAddress(address string) error {
	if address == "0" {
		return nil
	}
	if err := admin.CheckAddress(address); err != nil {
		return fmt.Errorf("--admin-bind-address: %w; 0 is none", err)
	}
	return nil
}
