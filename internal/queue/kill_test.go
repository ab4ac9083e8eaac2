// SPDX-License-Identifier: Apache-2.0

package queue_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/internal/queue"
	"github.com/cloudinary-operator/cloudinary-operator/internal/queue/queuetest"
)

// The child's part of TestKill: the directory of the store, the first number of a record, and a failpoint with how
// often it is passed before the process kills itself there.
const (
	childDir   = "QUEUE_TEST_CHILD_DIR"
	childFirst = "QUEUE_TEST_CHILD_FIRST"
	childFail  = "QUEUE_TEST_CHILD_FAILPOINT"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := child(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// child puts and finishes until it is killed, and tells on its standard output what it was told: "p ID n" for a record that
// was stored, "t ID" when it tries to finish it, "f ID" when it has.
func child(dir string) error {
	var count atomic.Int64
	first, err := strconv.ParseInt(os.Getenv(childFirst), 10, 64)
	if err != nil {
		return err
	}
	count.Store(first)
	s, err := queue.Open(context.Background(), queue.SmallFiles(queue.Options{Dir: dir, Now: queuetest.Start, Failpoint: killAt(os.Getenv(childFail))}))
	if err != nil {
		return err
	}
	fmt.Println("open")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for err == nil {
				err := childStep(s, int(count.Add(1)))
				if err != nil {
					panic(err)
				}
			}
		})
	}
	wg.Wait()
	return nil
}

func childStep(s *queue.Store, n int) error {
	ctx := context.Background()
	res, err := s.Put(ctx, queuetest.Record(n, "x"))
	if err != nil || res.Duplicate {
		return errors.Join(err, fmt.Errorf("record %d: %+v", n, res))
	}
	fmt.Println("p", res.ID, n)
	if n%2 == 0 {
		return nil
	}
	fmt.Println("t", res.ID)
	if err := end(ctx, s, res.ID, n); err != nil {
		return err
	}
	fmt.Println("f", res.ID)
	return nil
}

func killAt(point string) func(string) {
	name, times, _ := strings.Cut(point, ":")
	left, _ := strconv.Atoi(times)
	var mu sync.Mutex
	return func(passed string) {
		if passed != name {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		if left--; left < 0 {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}

func TestKill(t *testing.T) {
	dir := t.TempDir()
	h, rng, first := newHistory(), newRand(uint64(time.Now().UnixNano())), 0
	points := []string{
		queue.FailAfterFormat, queue.FailAfterCreate, queue.FailBeforeCommit, queue.FailAfterCommit, queue.FailAfterMarkWrite,
		queue.FailAfterAnnounce, queue.FailBeforeFinish, queue.FailBeforeFlush, queue.FailAfterReplay, "", "", "", "",
	}
	passes := map[string]int{queue.FailBeforeFlush: 3}
	for _, point := range []string{queue.FailBeforeCommit, queue.FailAfterCommit, queue.FailAfterMarkWrite, queue.FailAfterAnnounce, queue.FailBeforeFinish} {
		passes[point] = 60
	}
	for _, point := range points {
		lines := 1 << 30
		if point == "" {
			lines = rng.IntN(1500)
		} else if often := passes[point]; often > 0 {
			point = fmt.Sprintf("%s:%d", point, rng.IntN(often))
		}
		first += 1_000_000
		runChild(t, h, dir, point, first, lines)
		s, err := queue.Open(t.Context(), queue.SmallFiles(queue.Options{Dir: dir, Now: queuetest.Start}))
		if err != nil {
			t.Fatalf("after a kill at %q: %v", point, err)
		}
		h.check(t, s, h.tried)
		if err := s.Close(); err != nil || t.Failed() {
			t.Fatalf("after a kill at %q: %v", point, err)
		}
	}
	t.Logf("%d stored, %d of them finished", len(h.stored), len(h.finished))
	if len(h.stored) < 100 {
		t.Error("hardly anything was stored")
	}
}

// runChild has a child work until it kills itself or has told a number of things, and is killed.
func runChild(t *testing.T, h *history, dir, point string, first, lines int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^$")
	cmd.Env = append(os.Environ(), childDir+"="+dir, childFirst+"="+strconv.Itoa(first), childFail+"="+point)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(out)
	for n := 0; ; n++ {
		if n == lines {
			locked(t, dir)
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			break // what is not a whole line was not told
		}
		if err != nil {
			t.Fatal(err)
		}
		h.hear(t, strings.Fields(line))
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended with %v", err)
	}
}

// locked checks that the store cannot be opened while the child has it open.
func locked(t *testing.T, dir string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 150*time.Millisecond)
	defer cancel()
	if s, err := queue.Open(ctx, queue.SmallFiles(queue.Options{Dir: dir})); !errors.Is(err, context.DeadlineExceeded) {
		if err == nil {
			_ = s.Close()
		}
		t.Fatalf("a second process opened the store: %v", err)
	}
}

func (h *history) hear(t *testing.T, words []string) {
	t.Helper()
	if len(words) < 2 {
		return // it is open
	}
	number, err := strconv.ParseUint(words[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	id := queue.ID(number)
	switch words[0] {
	case "p":
		n, err := strconv.Atoi(words[2])
		if _, known := h.stored[id]; err != nil || known {
			t.Fatalf("ID %d was given again, or %v", id, err)
		}
		h.stored[id] = n
	case "t":
		h.tried[id] = true
	case "f":
		h.finished[id] = true
	}
}
