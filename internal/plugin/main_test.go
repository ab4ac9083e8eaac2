// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/controllers"
	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
	"github.com/cloudinary-operator/cloudinary-operator/internal/manager"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

var (
	api    *testenv.Env
	update = flag.Bool("update", false, "write what is printed into testdata")
)

func TestMain(m *testing.M) {
	flag.Parse()
	ctrl.SetLogger(logr.Discard())
	os.Exit(testenv.Run(m, func(e *testenv.Env) { api = e }))
}

const patience = 2 * time.Minute

// fixture is a namespace, a simulated product environment, and calls of the plugin.
type fixture struct {
	*testing.T
	namespace  string
	kubeconfig string
	sim        *simulator.Simulator
	url        string // the simulator's
	secretURL  string
	env        map[string]string
	terminal   bool // whether the plugin prints to one
	now        time.Time
}

func newFixture(t *testing.T, options simulator.Options) *fixture {
	t.Helper()
	if options.Clock == nil {
		options.Clock = time.Now
	}
	sim, err := simulator.New(options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	f := &fixture{T: t, namespace: api.NewNamespace(t), kubeconfig: filepath.Join(t.TempDir(), "kubeconfig"), sim: sim, url: server.URL, env: map[string]string{}}
	f.secretURL = fmt.Sprintf("cloudinary://%s:%s@%s?upload_prefix=%s", simulator.DefaultAPIKey, simulator.DefaultAPISecret, simulator.DefaultCloud, server.URL)
	f.must(os.WriteFile(f.kubeconfig, api.Kubeconfig, 0o600))
	return f
}

func (f *fixture) must(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// result is how a call of the plugin ended.
type result struct {
	out, err string
	code     int
}

// call runs the plugin in the fixture's namespace.
func (f *fixture) call(args ...string) result {
	f.Helper()
	return f.callWith("", args...)
}

func (f *fixture) callWith(stdin string, args ...string) result {
	f.Helper()
	if slices.Contains(args, "--allow-insecure-api-base") && f.url != "" && !slices.ContainsFunc(args, isBases) {
		args = append(args, f.basesFlag())
	}
	if f.kubeconfig != "" {
		args = append(args, "--kubeconfig", f.kubeconfig, "--namespace", f.namespace)
	}
	return runOn(f.Context(), f.terminal, f.now, f.env, stdin, args...)
}

// basesFlag allows the simulators, of which there may be several: that of the fixture by its name,
// so that its words are shown.
func (f *fixture) basesFlag() string { return "--" + flagAPIBases + "=*," + f.url }

func isBases(arg string) bool { return strings.HasPrefix(arg, "--"+flagAPIBases) }

func runWith(ctx context.Context, now time.Time, env map[string]string, stdin string, args ...string) result {
	return runOn(ctx, false, now, env, stdin, args...)
}

func runOn(ctx context.Context, terminal bool, now time.Time, env map[string]string, stdin string, args ...string) result {
	var out, errOut bytes.Buffer
	clock := time.Now
	if !now.IsZero() {
		clock = func() time.Time { return now }
	}
	code := Run(ctx, Config{
		Streams: genericiooptions.IOStreams{In: strings.NewReader(stdin), Out: &out, ErrOut: &errOut},
		Version: "v1.2.3", Now: clock, Getenv: func(name string) string { return env[name] }, Terminal: terminal,
	}, args)
	return result{out.String(), errOut.String(), code}
}

// succeeds calls the plugin, which must not fail or warn, and returns what it printed.
func (f *fixture) succeeds(args ...string) string {
	f.Helper()
	r := f.call(args...)
	if r.code != 0 || r.err != "" {
		f.Fatalf("%v: code %d, errors %q", args, r.code, r.err)
	}
	return r.out
}

// fails calls the plugin, which must end with one line that says all of this.
func (f *fixture) fails(args []string, says ...string) {
	f.Helper()
	r := f.call(args...)
	lines := strings.Split(strings.TrimSuffix(r.err, "\n"), "\n")
	last := lines[len(lines)-1]
	if r.code != 1 || !strings.HasPrefix(last, "error: ") {
		f.Errorf("%v: code %d, errors %q; want code 1 and a line that begins with \"error: \"", args, r.code, r.err)
	}
	for _, text := range says {
		if !strings.Contains(last, text) {
			f.Errorf("%v: %q does not say %q", args, last, text)
		}
	}
}

// golden compares with a file in testdata. The namespace, which is a new one each time, reads
// NAMESPACE.
func (f *fixture) golden(name, got string) {
	f.Helper()
	golden(f.T, name, strings.ReplaceAll(got, f.namespace, "NAMESPACE"))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; go test ./internal/plugin -update writes it", err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func (f *fixture) create(objects ...client.Object) {
	f.Helper()
	for _, o := range objects {
		f.must(api.Client.Create(f.Context(), o))
	}
}

// withStatus creates an object with a status.
func (f *fixture) withStatus(o client.Object) {
	f.Helper()
	made, ok := o.DeepCopyObject().(client.Object)
	if !ok {
		f.Fatalf("%T is no object", o)
	}
	f.create(made)
	o.SetResourceVersion(made.GetResourceVersion())
	o.SetUID(made.GetUID())
	f.must(api.Client.Status().Update(f.Context(), o))
}

func (f *fixture) secret() *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "cloudinary", Namespace: f.namespace},
		Data:       map[string][]byte{cloudinary.KeyCloudinaryURL: []byte(f.secretURL)},
	}
}

func (f *fixture) endpoint(name, url string) *v1alpha1.NotificationEndpoint {
	return &v1alpha1.NotificationEndpoint{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"}, URL: url,
		},
	}
}

func (f *fixture) trigger(name, endpoint string, eventTypes ...string) *v1alpha1.CloudinaryTrigger {
	return &v1alpha1.CloudinaryTrigger{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: f.namespace},
		Spec: v1alpha1.CloudinaryTriggerSpec{
			EndpointRef: v1alpha1.EndpointReference{Name: endpoint}, EventTypes: eventTypes,
		},
	}
}

// writes are the calls to the simulator that changed something or tried to, by method.
func (f *fixture) writes() map[string]int {
	writes := map[string]int{}
	for _, c := range f.sim.Calls().Calls {
		if c.Method != http.MethodGet {
			writes[c.Method] += c.Count
		}
	}
	return writes
}

// startManager runs the real manager over the namespace until the test ends.
func (f *fixture) startManager() {
	f.Helper()
	options := controllers.DefaultOptions()
	options.AllowInsecureAPIBase, options.AllowedAPIBases = true, cloudinary.AnyAPIBase()
	options.SyncInterval, options.SettleTime = time.Second, time.Second
	options.VerificationNamespace = f.namespace
	mgr, err := manager.New(api.Config, manager.Options{
		Options: options, Registry: prometheus.NewRegistry(), Confined: []string{f.namespace},
		Lease: manager.PatientLease(api.NewNamespace(f.T)), // its own: a test may have two managers
	})
	f.must(err)
	ctx, cancel := context.WithCancel(context.WithoutCancel(f.Context()))
	ended := make(chan error, 1)
	go func() { ended <- mgr.Start(ctx) }()
	f.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			f.Errorf("manager: %v", err)
		}
	})
}

// ready waits until every trigger of the namespace is Ready as it is now.
func (f *fixture) ready() {
	f.Helper()
	testenv.Eventually(f.T, patience, func() error {
		var list v1alpha1.CloudinaryTriggerList
		if err := api.Client.List(f.Context(), &list, client.InNamespace(f.namespace)); err != nil {
			return err
		}
		for i := range list.Items {
			if seen := list.Items[i].Status.ObservedGeneration; seen == nil || *seen != list.Items[i].Generation {
				return fmt.Errorf("the manager has not seen trigger %s as it is", list.Items[i].Name)
			}
			if ready, reason, message := readiness(list.Items[i].Status.Conditions); ready != "True" {
				return fmt.Errorf("trigger %s is Ready=%s/%s: %s", list.Items[i].Name, ready, reason, message)
			}
		}
		return nil
	})
}
