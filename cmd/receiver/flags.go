// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/program"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/admin"
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
	probeAddress   string
	adminAddress   string

	serviceRouting        string
	allowLoopbackServices bool

	shutdownDelay   time.Duration
	shutdownTimeout time.Duration
}

// The ways to reach a Service.
const (
	routingClusterIP = "ClusterIP"
	routingEndpoints = "Endpoints"
)

const defaultMaxConnections = 4096

func newFlags(flags *flag.FlagSet) *options {
	o := &options{handler: webhookreceiver.DefaultOptions()}
	flags.StringVar(&o.kubeconfig, "kubeconfig", "", "Path of a kubeconfig. Default: KUBECONFIG, then the Pod's service account, then ~/.kube/config.")
	flags.StringVar(&o.namespace, "namespace", "", "The namespace in which the manager keeps the verification keys. Default: the Pod's.")
	flags.StringVar(&o.watchNamespaces, "watch-namespaces", "", "The namespaces whose endpoints are served, separated by commas. Default: all.")

	flags.StringVar(&o.store.Dir, "store-dir", "/var/lib/cloudinary-receiver", "The folder of the store. No two receivers can use one; a second one waits.")
	flags.BoolVar(&o.storeDurable, "store-durable", true, "Whether the folder outlives the Pod. With false the receiver says in log and metrics that it does not.")
	flags.Int64Var(&o.store.MaxBytes, "store-max-bytes", queue.DefaultMaxBytes, "How many bytes of notifications may wait, dead letters included. Beyond: 503.")
	flags.IntVar(&o.store.MaxNotifications, "store-max-notifications", queue.DefaultMaxNotifications, "How many notifications may wait, dead letters included. Beyond: 503.")
	flags.IntVar(&o.store.MaxKeys, "store-max-keys", queue.DefaultMaxKeys,
		"How many notifications are remembered to tell duplicates, some 30 bytes of memory each. Beyond, the oldest are forgotten early.")
	flags.Int64Var(&o.store.MinFreeBytes, "store-min-free-bytes", 0, "The room that has to be left on the volume. Below: 503. Default: 1 % of it, at least 32 MiB.")
	flags.BoolVar(&o.store.Salvage, "store-salvage", false, "Go on with what can be read of a damaged store. For one start, by a person who knows what was lost.")

	flags.StringVar(&o.address, "notifications-bind-address", ":8080", "The address for Cloudinary's notifications, over HTTP: TLS ends before it.")
	flags.Int64Var(&o.handler.MaxBodyBytes, "max-body-bytes", o.handler.MaxBodyBytes, "The largest notification. Beyond: 413.")
	flags.Int64Var(&o.handler.MaxInFlightBytes, "max-in-flight-bytes", o.handler.MaxInFlightBytes, "How many bytes of notifications may be in memory at once. Beyond: 503.")
	flags.IntVar(&o.handler.MaxInFlight, "max-in-flight-requests", o.handler.MaxInFlight, "How many notifications may be worked on at once. Beyond: 503.")
	flags.IntVar(&o.handler.MaxEndpointRate, "max-endpoint-rate", 0,
		"How many requests a second one endpoint may get on average, so that one cannot use up all there is; as many may come at once. Beyond: 503. 0: any number.")
	flags.IntVar(&o.maxConnections, "max-connections", defaultMaxConnections, "How many connections may be open at once. Beyond, they wait to be accepted.")

	flags.StringVar(&o.metricsAddress, "metrics-bind-address", ":8443", "The address of the metrics, or 0 for none.")
	flags.BoolVar(&o.metricsSecure, "metrics-secure", true, "Serve metrics over https, to clients that the API server lets read /metrics.")
	flags.StringVar(&o.probeAddress, "health-probe-bind-address", ":8081", "The address of /healthz and /readyz, or 0 for none.")
	flags.StringVar(&o.adminAddress, "admin-bind-address", "127.0.0.1:8082",
		"The loopback address at which dead letters can be looked at, redriven and discarded, or 0 for none. Whoever may forward a port to the Pod may do so.")

	flags.StringVar(&o.serviceRouting, "service-routing", routingClusterIP,
		"How Services are reached: ClusterIP, or Endpoints for the ready endpoints of their EndpointSlices. Headless ones are always reached the second way.")
	flags.BoolVar(&o.allowLoopbackServices, "allow-loopback-services", false, "Permit targets at the receiver's own host. Only for development.")

	flags.DurationVar(&o.shutdownDelay, "shutdown-delay", time.Second, "How long notifications are taken after a signal to stop, while senders are asked to close their connections.")
	flags.DurationVar(&o.shutdownTimeout, "shutdown-timeout", 20*time.Second, "How long requests and deliveries under way may take to end after that.")
	return o
}

// check refuses what cannot work, naming the flag.
func (o *options) check(rest []string) error {
	var problems []error
	if len(rest) > 0 {
		problems = append(problems, fmt.Errorf("unexpected argument %q: all options are flags, see --help", rest[0]))
	}
	problems = append(problems,
		program.AtLeast("--store-max-bytes", o.store.MaxBytes, 1),
		program.AtLeast("--store-max-notifications", o.store.MaxNotifications, 1),
		program.AtLeast("--store-max-keys", o.store.MaxKeys, 1),
		program.AtLeast("--store-min-free-bytes", o.store.MinFreeBytes, 0),
		program.AtLeast("--max-body-bytes", o.handler.MaxBodyBytes, 1),
		program.AtLeast("--max-in-flight-bytes", o.handler.MaxInFlightBytes, 1),
		program.AtLeast("--max-in-flight-requests", o.handler.MaxInFlight, 1),
		program.AtLeast("--max-endpoint-rate", o.handler.MaxEndpointRate, 0),
		program.AtLeast("--max-connections", o.maxConnections, 1),
		program.AtLeast("--shutdown-delay", o.shutdownDelay, 0),
		program.AtLeast("--shutdown-timeout", o.shutdownTimeout, 0),
	)
	if o.handler.MaxInFlightBytes/2 < o.handler.MaxBodyBytes {
		problems = append(problems, fmt.Errorf("--max-in-flight-bytes is %d, must be at least twice --max-body-bytes, which is %d: one endpoint may use half of it",
			o.handler.MaxInFlightBytes, o.handler.MaxBodyBytes))
	}
	if o.serviceRouting != routingClusterIP && o.serviceRouting != routingEndpoints {
		problems = append(problems, fmt.Errorf("--service-routing is %q, must be %s or %s", o.serviceRouting, routingClusterIP, routingEndpoints))
	}
	if err := checkAdminAddress(o.adminAddress); err != nil {
		problems = append(problems, err)
	}
	if o.store.Dir == "" {
		problems = append(problems, errors.New("--store-dir must not be empty"))
	}
	if o.namespace == "" {
		raw, err := os.ReadFile(podNamespaceFile)
		if err != nil {
			problems = append(problems, errors.New("--namespace must be given outside a cluster: it is where the manager keeps the verification keys"))
		}
		o.namespace = strings.TrimSpace(string(raw))
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

const podNamespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
