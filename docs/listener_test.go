// SPDX-License-Identifier: Apache-2.0

package docs_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/delivery/service"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// The listeners of docs/migrate-listener.md, by the program that runs each.
func listeners() map[string][]string {
	return map[string][]string{
		"node":   {"node", "examples/listener/node/listener.js"},
		"python": {"python3", "examples/listener/python/listener.py"},
		"php":    {"php", "-S", "HOST:PORT", "examples/listener/php/listener.php"},
		"ruby":   {"ruby", "testdata/rack.rb", "examples/listener/ruby/listener.rb"},
		"go":     {"go", "run", "./examples/listener/go"},
	}
}

// Each listener takes what the receiver's own sender sends it, and refuses in the way that the page says.
func TestListenersTakeWhatTheReceiverSends(t *testing.T) {
	t.Parallel()
	for language, command := range listeners() {
		t.Run(language, func(t *testing.T) {
			t.Parallel()
			program, err := exec.LookPath(command[0])
			if err != nil {
				t.Skipf("%s is not tried: %v", language, err)
			}
			l := start(t, program, command[1:])
			tryListener(t, l)
		})
	}
}

const (
	ownSecret = "s%cret/own" // in CLOUDINARY_URL, where it is percent-encoded
	newSecret = "the-rotated-one"
)

func tryListener(t *testing.T, l *runningListener) {
	t.Helper()
	now := time.Now()
	const body = `{"notification_type": "upload", "public_id": "shoe", "n": 1.50, "ü": "\u00e9"}`
	delivered := delivery.Result{Verdict: delivery.Delivered, StatusCode: http.StatusOK}
	refused := delivery.Result{Verdict: delivery.Refused, StatusCode: http.StatusBadRequest, Message: "answered 400"}
	later := delivery.Result{StatusCode: http.StatusServiceUnavailable, Message: "answered 503"}
	for _, test := range []struct {
		name string
		d    *delivery.Delivery
		want delivery.Result
	}{
		{"signed with SHA-1", aDelivery(body, now, ownSecret, sample.SHA1), delivered},
		{"signed with SHA-256", aDelivery(body, now, ownSecret, sample.SHA256), delivered},
		{"delivered late", aDelivery(body, now.Add(-72*time.Hour), ownSecret, sample.SHA1), delivered},
		{"too old", aDelivery(body, now.Add(-31*24*time.Hour), ownSecret, sample.SHA1), refused},
		{"from the future", aDelivery(body, now.Add(time.Hour), ownSecret, sample.SHA1), refused},
		{"signed with a key that is not here yet", aDelivery(body, now, newSecret, sample.SHA1), later},
		{"an array", aDelivery(`[1]`, now, ownSecret, sample.SHA1), refused},
		{"no JSON", aDelivery(`{`, now, ownSecret, sample.SHA1), refused},
		{"without a signature", aDelivery(body, now, "", sample.SHA1), refused},
	} {
		if got := l.send(t, test.d); got != test.want {
			t.Errorf("%s: %+v, want %+v", test.name, got, test.want)
		}
	}
	rotated := aDelivery(body, now, newSecret, sample.SHA256)
	l.secret(t, "signing.987", newSecret+"\n")
	for attempt := range 2 { // as after an answer that was lost
		rotated.Attempt = attempt + 1
		if got := l.send(t, rotated); got != delivered {
			t.Errorf("signed with a key that has come: %+v", got)
		}
	}
	if diff := cmp.Diff(strings.Repeat("upload shoe\n", 4), l.output(4)); diff != "" {
		t.Errorf("what it handled (-want +got):\n%s", diff)
	}
}

// aDelivery is a notification as Cloudinary signs it and the receiver has stored it.
func aDelivery(body string, at time.Time, secret string, algorithm sample.Algorithm) *delivery.Delivery {
	d := &delivery.Delivery{
		Record: &queue.Record{
			Body: []byte(body), EventType: "upload", ReceivedAt: at,
		},
		Endpoint: &route.Endpoint{Key: types.NamespacedName{Namespace: "shop", Name: "media"}},
		Target: &route.Target{Name: "catalog", Service: &route.Service{
			Name: "catalog", Port: intstr.FromInt32(80), Path: "/cloudinary-hook?token=abc", Timeout: 10 * time.Second,
		}},
		Attempt: 1,
	}
	if secret != "" {
		for name, values := range sample.Sign(algorithm, []byte(body), at, secret) {
			d.Record.Header = append(d.Record.Header, queue.Header{Name: name, Value: values[0]})
		}
	}
	_, _ = rand.Read(d.Record.Key[:])
	return d
}

// runningListener is a listener that runs, with a folder as Kubernetes mounts a Secret.
type runningListener struct {
	address, folder string
	sender          *service.Sender
	lines           chan string
}

func start(t *testing.T, program string, args []string) *runningListener {
	t.Helper()
	l := &runningListener{address: freeAddress(t), folder: t.TempDir(), lines: make(chan string, 100)}
	l.secret(t, "CLOUDINARY_URL", "cloudinary://123:s%25cret%2Fown@demo\n")
	l.secret(t, "unrelated", newSecret)
	l.sender = service.New(service.Options{Resolver: oneAddress(l.address), Addresses: service.Addresses{AllowLoopback: true}})
	t.Cleanup(l.sender.Close)
	host, port, err := net.SplitHostPort(l.address)
	if err != nil {
		t.Fatal(err)
	}
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "HOST:PORT", l.address)
	}
	ctx, stop := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), "SECRET_FOLDER="+l.folder, "HOST="+host, "PORT="+port)
	cmd.WaitDelay = 5 * time.Second
	endWithChildren(cmd)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errOut strings.Builder
	cmd.Stderr = &errOut
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			l.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		stop()
		<-read
		_ = cmd.Wait() // it was ended
		if t.Failed() {
			t.Logf("%s said:\n%s", program, errOut.String())
		}
	})
	l.wait(t)
	return l
}

// wait waits until it answers, which takes a minute where it has to be compiled beside other work.
func (l *runningListener) wait(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(50 * time.Millisecond) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+l.address+"/healthz", nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Timeout: 5 * time.Second}).Do(request)
		if err == nil {
			response.Body.Close()
			if response.StatusCode != http.StatusOK {
				t.Fatalf("/healthz answers %d", response.StatusCode)
			}
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func (l *runningListener) secret(t *testing.T, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(l.folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (l *runningListener) send(t *testing.T, d *delivery.Delivery) delivery.Result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	return l.sender.Send(ctx, d)
}

// output are the lines that it has printed, n and any that come within a moment.
func (l *runningListener) output(n int) string {
	var b strings.Builder
	patience := 10 * time.Second
	for {
		select {
		case line := <-l.lines:
			fmt.Fprintln(&b, line)
			if n--; n <= 0 {
				patience = 200 * time.Millisecond
			}
		case <-time.After(patience):
			return b.String()
		}
	}
}

// oneAddress is where each Service is.
type oneAddress string

func (a oneAddress) Resolve(context.Context, string, string, intstr.IntOrString) (service.Address, error) {
	return service.Address{HostPort: string(a), Host: "catalog.shop.svc", Port: 80}, nil
}
func (a oneAddress) Check(context.Context, string, string, intstr.IntOrString) error { return nil }
func (a oneAddress) Forget(string, string, intstr.IntOrString)                       {}

func freeAddress(t *testing.T) string {
	t.Helper()
	socket, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := socket.Close(); err != nil {
		t.Fatal(err)
	}
	return socket.Addr().String()
}

// What the page shows is what is tested.
func TestListenersAreOnTheirPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("migrate-listener.md")
	if err != nil {
		t.Fatal(err)
	}
	for language, command := range listeners() {
		file := command[len(command)-1]
		if language == "go" {
			file = "examples/listener/go/main.go"
		}
		if !regexp.MustCompile(`\]\(` + regexp.QuoteMeta(file) + `\)`).Match(page) {
			t.Errorf("migrate-listener.md has no link to %s", file)
		}
	}
}
