// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	appsv1 "k8s.io/api/apps/v1"
	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	apiruntime "k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

const (
	system   = "cloudinary-operator-system"
	prefix   = "cloudinary-operator-"
	manager  = prefix + "manager"
	receiver = prefix + "receiver"

	patience = 2 * time.Minute
)

// cluster is an API server that authorizes as in production and notes who asks for what, with a folder of config/ installed.
type cluster struct {
	*testing.T
	client     client.Client
	kubeconfig []byte // of the administrator
	server     clientcmdapi.Cluster
	audit      string
	objects    []unstructured.Unstructured
}

// The requests of service accounts, without bodies. A watch is noted when it begins, all others when they end.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
  userGroups: ["system:serviceaccounts:` + system + `"]
- level: None
`

func newCluster(t *testing.T, folder string) *cluster {
	t.Helper()
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Fatal(`KUBEBUILDER_ASSETS is not set; run the tests with "make test", or first: export KUBEBUILDER_ASSETS="$(hack/kubernetes/build.sh)"`)
	}
	c := &cluster{T: t, audit: filepath.Join(t.TempDir(), "audit.log")}
	policy := filepath.Join(t.TempDir(), "audit.yaml")
	c.must(os.WriteFile(policy, []byte(auditPolicy), 0o600))
	env, config, err := testenv.StartControlPlane(func() *envtest.Environment {
		env := &envtest.Environment{
			CRDDirectoryPaths: []string{"../../config/crd/bases"}, ErrorIfCRDPathMissing: true,
			ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience,
		}
		env.ControlPlane.GetAPIServer().Configure().
			Set("audit-policy-file", policy).Set("audit-log-path", c.audit).Set("audit-log-mode", "blocking")
		return env
	})
	c.Cleanup(func() {
		if err := env.Stop(); err != nil {
			t.Errorf("stop the control plane: %v", err)
		}
	})
	c.must(err)
	scheme := apiruntime.NewScheme()
	c.must(errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)))
	c.client, err = client.New(config, client.Options{Scheme: scheme})
	c.must(err)
	c.kubeconfig = env.KubeConfig
	c.server = clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	if !strings.HasPrefix(c.server.Server, "https://") {
		c.server.Server = "https://" + c.server.Server
	}
	c.install(folder)
	return c
}

func (c *cluster) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

func (c *cluster) create(objects ...client.Object) {
	c.Helper()
	for _, o := range objects {
		if err := c.client.Create(c.Context(), o); err != nil {
			c.Fatalf("create %T %s: %v", o, o.GetName(), err)
		}
	}
}

// install applies a folder, and waits until its roles count.
func (c *cluster) install(folder string) {
	c.Helper()
	folder = "../../config/" + folder
	c.objects = c.read(c.kubectl("kustomize", folder))
	namespaces := 0
	for _, o := range c.objects {
		if o.GetKind() == "Namespace" {
			namespaces++
		}
	}
	if namespaces == 0 {
		c.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: system}})
	}
	admin := filepath.Join(c.TempDir(), "kubeconfig")
	c.must(os.WriteFile(admin, c.kubeconfig, 0o600))
	c.kubectl("apply", "--kubeconfig", admin, "--server-side", "-k", folder)
	for _, account := range []string{manager, receiver} {
		for _, r := range rightsOf(c.T, c.objects, account) {
			c.granted(account, r)
		}
	}
}

func (c *cluster) kubectl(args ...string) []byte {
	c.Helper()
	command := exec.CommandContext(c.Context(), filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl"), args...)
	command.Env = append(os.Environ(), "HOME="+c.TempDir())
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		c.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, &stderr)
	}
	return out
}

func (c *cluster) read(manifests []byte) []unstructured.Unstructured {
	c.Helper()
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(manifests), 4096)
	var objects []unstructured.Unstructured
	for {
		var o unstructured.Unstructured
		if err := decoder.Decode(&o); errors.Is(err, io.EOF) {
			return objects
		} else if err != nil {
			c.Fatal(err)
		}
		objects = append(objects, o)
	}
}

// granted waits until the API server knows of a right: its view of roles lags.
func (c *cluster) granted(account string, r right) {
	c.Helper()
	resource, subresource, _ := strings.Cut(r.resource, "/")
	asked := authorizationv1.ResourceAttributes{Namespace: r.namespace, Verb: r.verb, Group: r.group, Resource: resource, Subresource: subresource}
	if len(r.names) > 0 {
		asked.Name = r.names[0]
	}
	testenv.Eventually(c.T, patience, func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "system:serviceaccount:" + system + ":" + account, ResourceAttributes: &asked,
		}}
		if err := c.client.Create(c.Context(), review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("%s may not do what a role grants: %s", account, r)
		}
		return nil
	})
}

// token is a service account's, as a Pod would get it.
func (c *cluster) token(namespace, account string) string {
	c.Helper()
	request := &authenticationv1.TokenRequest{}
	of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: account}}
	c.must(c.client.SubResource("token").Create(c.Context(), of, request))
	return request.Status.Token
}

// container is that of a Deployment's Pods.
func (c *cluster) container(deployment string) (container corev1.Container, account string) {
	c.Helper()
	for _, o := range c.objects {
		if o.GetKind() == "Deployment" && o.GetName() == deployment {
			spec := decode[appsv1.Deployment](c.T, o).Spec.Template.Spec
			return spec.Containers[0], spec.ServiceAccountName
		}
	}
	c.Fatalf("there is no Deployment %s", deployment)
	return container, ""
}

// program is a process that runs as a Deployment's container would.
type program struct {
	*cluster
	command *exec.Cmd
	log     *testenv.Output
	ended   chan struct{}
	err     error // once ended is closed
}

// folder is where the programs are built.
var folder string

// built are both programs, once.
var built = sync.OnceValue(func() error {
	out, err := exec.CommandContext(context.Background(), "go", "build", "-o", folder, "../../cmd/manager", "../../cmd/receiver").CombinedOutput()
	if err != nil {
		return fmt.Errorf("build the programs: %w\n%s", err, out)
	}
	return nil
})

func TestMain(m *testing.M) { os.Exit(runTests(m)) }

func runTests(m *testing.M) int {
	var err error
	if folder, err = os.MkdirTemp("", "programs-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(folder) }() // it is in a folder for what is temporary
	ctrl.SetLogger(logr.Discard())
	return m.Run()
}

// start starts a Deployment's program with its arguments, and with further ones for what is otherwise outside of a Pod.
func (c *cluster) start(deployment string, env []string, args ...string) *program {
	c.Helper()
	c.must(built())
	container, account := c.container(deployment)
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &c.server
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: c.token(system, account)}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u"}
	config.CurrentContext = "x"
	kubeconfig := filepath.Join(c.TempDir(), "kubeconfig")
	c.must(clientcmd.WriteToFile(*config, kubeconfig))

	var all []string
	for _, arg := range container.Args {
		all = append(all, strings.ReplaceAll(arg, "$(POD_NAMESPACE)", system))
	}
	all = append(append(all, "--kubeconfig="+kubeconfig), args...) // the last one counts
	p := &program{cluster: c, log: &testenv.Output{}, ended: make(chan struct{})}
	p.command = exec.CommandContext(c.Context(), filepath.Join(folder, filepath.Base(container.Command[0])), all...)
	p.command.Env = append(os.Environ(), env...)
	p.command.Stdout, p.command.Stderr = p.log, p.log
	c.must(p.command.Start())
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	c.Cleanup(func() {
		_ = p.command.Process.Kill() // it may have ended
		<-p.ended
		if c.Failed() {
			text := p.log.String()
			c.Logf("log of %s:\n%s", deployment, text[max(0, len(text)-100_000):])
		}
	})
	return p
}

// stop ends a program as the kubelet does.
func (p *program) stop() {
	p.Helper()
	p.must(p.command.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.ended:
		if p.err != nil {
			p.Errorf("%s ended with %v", p.command.Path, p.err)
		}
	case <-time.After(patience):
		p.Fatalf("%s does not end", p.command.Path)
	}
}

// answer is the status of a GET or, with a body, a POST.
func (c *cluster) answer(web *http.Client, url, token, body string) (int, error) {
	method := http.MethodGet
	if body != "" {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(c.Context(), method, url, strings.NewReader(body))
	if err != nil {
		return 0, err
	}
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := web.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}
