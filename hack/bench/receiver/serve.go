// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime/pprof"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver"
	"github.com/cloudinary-operator/cloudinary-operator/webhookreceiver/route"
)

// serve is the contenders that are not the receiver's program: a bare handler, and the receiver's handler with a store that keeps
// nothing, or with the queue.
func serve(args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	contender := flags.String("contender", bare, "bare, fsync, verify, slots or store")
	dir := flags.String("dir", "", "the folder of the store")
	profile := flags.String("profile", "", "write a CPU profile to this file")
	addr := flags.String("addr", "127.0.0.1:9000", "the address to listen at")
	endpoints := flags.Int("endpoints", 1, "number of endpoints")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *profile != "" {
		stop, err := startProfile(*profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	server, err := newServer(*contender, *dir, *endpoints)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *addr)
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.Serve(listener); err != nil && !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve: %w", err)
	}
	return nil
}

// server is net/http's, or the receiver's.
type server interface {
	Serve(l net.Listener) error
	Close() error
}

func startProfile(file string) (stop func(), _ error) {
	f, err := os.Create(file)
	if err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, fmt.Errorf("profile: %w", err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}

func newServer(contender, dir string, endpoints int) (server, error) {
	var to webhookreceiver.Store = &nowhere{}
	switch contender {
	case bare:
		return &http.Server{Handler: http.HandlerFunc(bareHandler), ReadHeaderTimeout: 10 * time.Second}, nil
	case fsync:
		file, err := newSlotFile(dir)
		if err != nil {
			return nil, err
		}
		return &http.Server{Handler: syncingHandler{file}, ReadHeaderTimeout: 10 * time.Second}, nil
	case slots:
		file, err := newSlotFile(dir)
		if err != nil {
			return nil, err
		}
		to = file
	case store:
		s, err := queue.Open(context.Background(), queue.Options{Dir: dir, MaxBytes: storeMaxBytes})
		if err != nil {
			return nil, fmt.Errorf("open the store: %w", err)
		}
		to = s
	}
	handler, err := verifyingHandler(configs(endpoints, contender), to)
	if err != nil {
		return nil, err
	}
	return webhookreceiver.NewServer(handler, webhookreceiver.DefaultMaxConnections), nil
}

// bareHandler is the least that a receiver could do.
func bareHandler(w http.ResponseWriter, r *http.Request) {
	if _, err := io.ReadAll(r.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	w.WriteHeader(http.StatusOK)
}

// slotFile is the least that stores a body before it is answered: it knows nothing of requests that could share an fsync, and
// overwrites places of a file that the file system has given it already.
type slotFile struct {
	file *os.File
	n    atomic.Uint64
}

const (
	syncSlot  = 4 << 10
	syncSlots = 4096
)

func newSlotFile(path string) (*slotFile, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("make a file: %w", err)
	}
	if _, err := f.Write(make([]byte, syncSlot*syncSlots)); err != nil {
		return nil, fmt.Errorf("fill a file: %w", err)
	}
	if err := f.Sync(); err != nil {
		return nil, fmt.Errorf("fill a file: %w", err)
	}
	return &slotFile{file: f}, nil
}

// Put implements webhookreceiver.Store.
func (f *slotFile) Put(_ context.Context, r *queue.Record) (queue.PutResult, error) {
	id, err := f.write(r.Body)
	return queue.PutResult{ID: queue.ID(id)}, err
}

// Known implements webhookreceiver.Store.
func (*slotFile) Known([32]byte) (known, durable bool) { return false, false }

func (f *slotFile) write(body []byte) (uint64, error) {
	n := f.n.Add(1)
	if _, err := f.file.WriteAt(body, int64(n%syncSlots)*syncSlot); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	if err := f.file.Sync(); err != nil {
		return 0, fmt.Errorf("sync: %w", err)
	}
	return n, nil
}

// syncingHandler is a bareHandler that stores.
type syncingHandler struct{ *slotFile }

func (h syncingHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, syncSlot))
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if _, err := h.write(body); err != nil {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	w.WriteHeader(http.StatusOK)
}

func verifyingHandler(endpoints []route.Config, to webhookreceiver.Store) (http.Handler, error) {
	var compiled []*route.Endpoint
	for _, c := range endpoints {
		e, _, problems := c.Compile(time.Now())
		if len(problems) > 0 {
			return nil, fmt.Errorf("make an endpoint: %w", errors.Join(problems...))
		}
		compiled = append(compiled, e)
	}
	table := route.NewTable(compiled)
	o := webhookreceiver.DefaultOptions()
	o.Routes = func() *route.Table { return table }
	o.Store, o.Recorder = to, noRecord{}
	return webhookreceiver.NewHandler(o), nil
}

// storeMaxBytes is room for all that a turn stores: nothing is delivered.
const storeMaxBytes = 16 << 30

// configs are a contender's endpoints, each with a key and a target that does not exist. So the whole notification is written and stays;
// where there is no target, the queue has no use for the body and writes the deduplication key alone.
func configs(endpoints int, contender string) []route.Config {
	targets := []route.Target{{Name: "target", Service: &route.Service{Name: "none", Port: intstr.FromInt32(80), Path: "/", Timeout: route.DefaultServiceTimeout}}}
	if contender == keysOnly {
		targets = nil
	}
	all := make([]route.Config, 0, endpoints)
	for i := range endpoints {
		all = append(all, route.Config{
			Key:   types.NamespacedName{Namespace: namespace, Name: fmt.Sprintf("e%d", i)},
			Paths: []string{notification.Path(namespace, fmt.Sprintf("e%d", i))},
			UID:   types.UID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i)), Generation: 1,
			Keys:   []verification.Key{{ID: "123456789012345", Secret: apiSecret}},
			MaxAge: route.DefaultMaxAge, RetryMaxAge: route.DefaultRetryMaxAge, Targets: targets,
		})
	}
	return all
}

// nowhere is a store that keeps nothing.
type nowhere struct{ n atomic.Uint64 }

func (s *nowhere) Put(context.Context, *queue.Record) (queue.PutResult, error) {
	return queue.PutResult{ID: queue.ID(s.n.Add(1))}, nil
}

// Known implements webhookreceiver.Store.
func (*nowhere) Known([32]byte) (known, durable bool) { return false, false }

type noRecord struct{}

func (noRecord) Stored(*route.Endpoint, queue.ID, *queue.Record, *notification.Notification) {}
func (noRecord) Duplicate(*route.Endpoint)                                                   {}
func (noRecord) Rejected(*route.Endpoint, webhookreceiver.Reason, bool)                      {}
func (noRecord) Answered(int, time.Duration)                                                 {}
