// SPDX-License-Identifier: Apache-2.0

package test

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// smallVolume puts the store on a volume of its own, and returns a function that fills it up and one that empties it again. Where the test
// may not mount anything, the error says why.
func (s *receiverSetting) smallVolume() (fill, free func(), err error) {
	s.Helper()
	folder := s.TempDir()
	if out, err := exec.CommandContext(s.Context(), "mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", folder).CombinedOutput(); err != nil {
		return nil, nil, fmt.Errorf("mount: %w: %s", err, out)
	}
	s.Cleanup(func() {
		// The context of the test has ended.
		s.must(exec.CommandContext(context.Background(), "umount", "-l", folder).Run())
	})
	s.store = filepath.Join(folder, "store")
	ballast := filepath.Join(folder, "somebody-elses")
	fill = func() {
		s.Helper()
		var volume syscall.Statfs_t
		s.must(syscall.Statfs(folder, &volume))
		const left = 16 << 20                                   // less than the receiver wants to have left
		size := int64(volume.Bavail)*int64(volume.Bsize) - left //nolint:unconvert // its type is another one elsewhere
		s.must(os.WriteFile(ballast, make([]byte, max(size, 0)), 0o600))
	}
	return fill, func() { s.Helper(); s.must(os.Remove(ballast)) }, nil
}

func TestFullDiskIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := newReceiverSetting(t)
	catalog := s.target()
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	full, next := answer{status: http.StatusServiceUnavailable, reason: "disk_full"}, numbered("asset", theKey().Secret)
	fill, free, err := s.smallVolume()
	mounted := err == nil
	var p *receiverProcess
	if mounted {
		t.Log("on a volume of 96 MiB")
		p = s.startReady("media")
		s.send("media", next())
		fill()
	} else {
		t.Logf("nothing can be mounted here (%v): the receiver is told that more has to be left than any volume has", err)
		p = s.start(fmt.Sprintf("--store-min-free-bytes=%d", int64(math.MaxInt64/4)))
		s.ready(p)
	}
	s.within("a full volume is noticed", next, full)
	s.must(s.answers("media", next(), full))
	if code := s.probe(s.probes, "/healthz"); code != http.StatusOK {
		t.Errorf("/healthz answers %d on a full volume", code)
	}
	if mounted {
		free()
	} else {
		p.terminate()
		p = s.startReady("media")
	}
	s.within("there is room again", next, answer{status: http.StatusOK})
	testenv.Eventually(t, soon, func() error {
		if len(catalog.got()) == 0 {
			return errNot("nothing has arrived")
		}
		return nil
	})
	p.terminate()
}

func TestFullQueueIsWaitedFor(t *testing.T) {
	t.Parallel()
	const limit = 3
	s := newReceiverSetting(t, fmt.Sprintf("--store-max-notifications=%d", limit))
	catalog := s.target()
	catalog.answers(always(http.StatusBadGateway))
	s.keys(theKey())
	s.endpoint("media", toCatalog())
	s.startReady("media")
	next := numbered("asset", theKey().Secret)
	for range limit {
		s.send("media", next())
	}
	testenv.Eventually(t, soon, func() error {
		if len(catalog.got()) == 0 {
			return errNot("the target was not tried")
		}
		return nil
	})
	refused := upload("refused", 1)
	s.must(s.answers("media", refused, answer{status: http.StatusServiceUnavailable, reason: "queue_full"}))
	catalog.answers(nil)
	s.within("there is room again", func() notification { return refused }, answer{status: http.StatusOK})
	testenv.Eventually(t, patience, func() error {
		if got := catalog.bodies(); len(got) != limit+1 || got[string(refused.body)] == 0 {
			return errNot("%d notifications have arrived", len(got))
		}
		return nil
	})
}
