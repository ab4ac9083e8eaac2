// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func open(t *testing.T, dir string) *state {
	t.Helper()
	s, err := openState(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	return s
}

func startSleep(t *testing.T, s *state, name string) process {
	t.Helper()
	p, err := start(t.Context(), s, name, []string{"sleep", "600"}, "fingerprint")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.end(context.Background(), stopTimeout); err != nil {
			t.Error(err)
		}
	})
	return p
}

func TestEndLeavesAProcessAloneThatWasBornAtAnotherTime(t *testing.T) {
	p := startSleep(t, open(t, t.TempDir()), "sleeper")
	stranger := p
	stranger.born = "at another time"
	if stranger.alive(t.Context()) {
		t.Error("a process with the same id and another time of birth is taken for the one noted")
	}
	if err := stranger.end(t.Context(), stopTimeout); err != nil {
		t.Error(err)
	}
	if !p.alive(t.Context()) {
		t.Fatal("it was ended")
	}
	if err := p.end(t.Context(), stopTimeout); err != nil {
		t.Fatal(err)
	}
	if p.alive(t.Context()) {
		t.Error("the noted process was not ended")
	}
}

func TestBothWaysToLookAtAProcessAgree(t *testing.T) {
	p := startSleep(t, open(t, t.TempDir()), "sleeper")
	born, ended, err := lookWithPS(t.Context(), p.pid)
	if err != nil {
		t.Skipf("this machine has no ps: %v", err)
	}
	again, _, err := lookWithPS(t.Context(), p.pid)
	if err != nil || ended || born == "" || born != again || strings.ContainsAny(born, " \n") {
		t.Errorf("a running process: born %q, then %q, ended %v, error %v", born, again, ended, err)
	}
	if err := p.end(t.Context(), stopTimeout); err != nil {
		t.Fatal(err)
	}
	if _, ended, err := lookWithPS(t.Context(), p.pid); err != nil || !ended {
		t.Errorf("an ended process: ended %v, error %v", ended, err)
	}
}

func TestStateIsWhatTheLastCallLeft(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir)
	p := startSleep(t, first, "sleeper")
	port, err := first.port(t.Context(), "sleeper/http")
	if err != nil {
		t.Fatal(err)
	}
	first.close()

	second := open(t, dir)
	if got, noted := second.find("sleeper"); !noted || got != p {
		t.Errorf("noted %v as %+v, want %+v", noted, got, p)
	}
	again, err := second.port(t.Context(), "sleeper/http")
	if err != nil || again != port {
		t.Errorf("port %d, error %v, want %d again", again, err, port)
	}
	if other, err := second.port(t.Context(), "sleeper/metrics"); err != nil || other == port {
		t.Errorf("port %d, error %v, want another than %d", other, err, port)
	}
}

func TestAPortThatAStrangerHasTakenIsReplaced(t *testing.T) {
	s := open(t, t.TempDir())
	port, err := s.port(t.Context(), "web")
	if err != nil {
		t.Fatal(err)
	}
	var config net.ListenConfig
	listener, err := config.Listen(t.Context(), "tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	if other, err := s.port(t.Context(), "web"); err != nil || other == port {
		t.Errorf("port %d, error %v, want another than %d", other, err, port)
	}
}

func TestOneCallAtATime(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := openState(ctx, dir); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a second call got error %v, want it to wait", err)
	}
}

func TestAProgramThatEndsAtOnceIsNamedWithItsLog(t *testing.T) {
	s := open(t, t.TempDir())
	err := runNamed(t.Context(), s, program{
		name: "broken", argv: []string{"ls", "/no/such/folder"}, readyURL: "http://127.0.0.1:1/", timeout: time.Minute,
	}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), s.logFile("broken")) || !strings.Contains(err.Error(), "/no/such/folder") {
		t.Errorf("error %v, want the log's name and its end", err)
	}
}

func TestALineThatWasCutShortIsIgnored(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(dir+"/pids", []byte("whole 1 then mark\ncut 2"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	if len(s.processes) != 1 || s.processes[0].name != "whole" {
		t.Errorf("got %+v, want the whole line alone", s.processes)
	}
}

func TestNamesThatWouldNotBeFilesAreRefused(t *testing.T) {
	s := open(t, t.TempDir())
	for _, name := range []string{"", "../x", "a b", "A", "kube-apiserver"} {
		if err := runNamed(t.Context(), s, program{name: name, argv: []string{"true"}}, io.Discard); err == nil {
			t.Errorf("a program named %q was started", name)
		}
	}
}
