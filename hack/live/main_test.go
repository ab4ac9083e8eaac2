// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/hack/live/livecheck"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

// asProgram makes the test's binary behave as the program itself.
const asProgram = "LIVE_CHECK_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

func startSimulator(t *testing.T) (sim *simulator.Simulator, cloudinaryURL string) {
	t.Helper()
	sim, err := simulator.New(simulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, urlFor(server.URL)
}

func urlFor(base string) string {
	return "cloudinary://" + simulator.DefaultAPIKey + ":" + simulator.DefaultAPISecret + "@demo?upload_prefix=" + base
}

// programFor is the program as a process of its own.
func programFor(t *testing.T, cloudinaryURL string) *exec.Cmd {
	t.Helper()
	program := exec.CommandContext(t.Context(), os.Args[0])
	program.Env = append(os.Environ(), asProgram+"=1", "CLOUDINARY_URL="+cloudinaryURL)
	return program
}

func TestWithoutCloudinaryURLItSaysSoInOneLineAndDoesNothing(t *testing.T) {
	var out, progress bytes.Buffer
	if err := run(t.Context(), nil, "", &out, &progress); err != nil {
		t.Errorf("error: %v", err)
	}
	if out.Len() > 0 {
		t.Errorf("printed a report: %s", &out)
	}
	if said := progress.String(); strings.Count(said, "\n") != 1 || !strings.Contains(said, "CLOUDINARY_URL is not set, so nothing was checked") {
		t.Errorf("said %q, want one line that says so", said)
	}
}

func TestItChecksTheEnvironmentOfCloudinaryURL(t *testing.T) {
	sim, cloudinaryURL := startSimulator(t)
	var table, encoded, progress bytes.Buffer
	if err := run(t.Context(), []string{"--fill-limit"}, cloudinaryURL, &table, &progress); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(table.String(), "--url-limit=30") {
		t.Errorf("the table recommends no --url-limit=30:\n%s", &table)
	}
	if err := run(t.Context(), []string{"-o", "json"}, cloudinaryURL, &encoded, &progress); err != nil {
		t.Fatal(err)
	}
	var report livecheck.Report
	if err := json.Unmarshal(encoded.Bytes(), &report); err != nil {
		t.Fatalf("what is printed is not JSON: %v\n%s", err, &encoded)
	}
	if got := report.Verdict("update-semantics"); got != "merge" {
		t.Errorf("update-semantics is %q, want merge", got)
	}
	if left := sim.Triggers(); len(left) > 0 {
		t.Errorf("left behind: %+v", left)
	}
}

func TestAFailedCheckPrintsWhatItFoundOut(t *testing.T) {
	sim, cloudinaryURL := startSimulator(t)
	if err := sim.AddFault(simulator.Fault{Method: "PUT", Status: 503}); err != nil {
		t.Fatal(err)
	}
	var out, progress bytes.Buffer
	if err := run(t.Context(), nil, cloudinaryURL, &out, &progress); err == nil {
		t.Error("no error")
	}
	for _, want := range []string{"create-status", "201", livecheck.NotReached} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in the table:\n%s", want, &out)
		}
	}
	if left := sim.Triggers(); len(left) > 0 {
		t.Errorf("left behind: %+v", left)
	}
}

func TestAnInterruptedCheckFails(t *testing.T) {
	sim, cloudinaryURL := startSimulator(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out, progress bytes.Buffer
	if err := run(ctx, nil, cloudinaryURL, &out, &progress); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v, want that it was interrupted", err)
	}
	if calls := sim.Calls().Total; calls > 0 {
		t.Errorf("%d calls were made after the interruption", calls)
	}
}

func TestASignalEndsTheProgramWithNothingLeftBehind(t *testing.T) {
	for name, signal := range map[string]syscall.Signal{"SIGINT": syscall.SIGINT, "SIGTERM": syscall.SIGTERM, "SIGHUP": syscall.SIGHUP} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sim, err := simulator.New(simulator.Options{})
			if err != nil {
				t.Fatal(err)
			}
			const creates = 2
			started := make(chan *os.Process, 1)
			var made atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				sim.ServeHTTP(w, r)
				// Before the answer is on its way: what it says is not known there yet.
				if r.Method == http.MethodPost && made.Add(1) == creates {
					if err := (<-started).Signal(signal); err != nil {
						t.Error(err)
					}
				}
			}))
			t.Cleanup(server.Close)
			var out, progress bytes.Buffer
			program := programFor(t, urlFor(server.URL))
			program.Stdout, program.Stderr = &out, &progress
			if err := program.Start(); err != nil {
				t.Fatal(err)
			}
			started <- program.Process
			err = program.Wait()
			if program.ProcessState.ExitCode() != 1 {
				t.Errorf("ended with %v, want status 1\n%s", err, &progress)
			}
			for _, want := range []string{"interrupted, deleting what was made", "live check: "} {
				if !strings.Contains(progress.String(), want) {
					t.Errorf("%q is not in what it said:\n%s", want, &progress)
				}
			}
			if !strings.Contains(out.String(), livecheck.NotReached) {
				t.Errorf("no table with what was not reached:\n%s", &out)
			}
			if made.Load() < creates {
				t.Error("it ended before it was interrupted")
			}
			if left := sim.Triggers(); len(left) > 0 {
				t.Errorf("left behind: %+v", left)
			}
		})
	}
}

func TestItGoesOnWhereNobodyReadsItsProgress(t *testing.T) {
	sim, cloudinaryURL := startSimulator(t)
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = writer.Close() }()
	if err := reader.Close(); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	program := programFor(t, cloudinaryURL)
	program.Stdout, program.Stderr = &out, writer
	if err := program.Run(); err != nil {
		t.Errorf("it ended with %v, want that it does not mind", err)
	}
	if !strings.Contains(out.String(), "update-semantics") {
		t.Errorf("no table:\n%s", &out)
	}
	if left := sim.Triggers(); len(left) > 0 {
		t.Errorf("left behind: %+v", left)
	}
}

func TestWhatIsRefusedBeforeAnyCall(t *testing.T) {
	const secret = "a-secret-that-stays-one"
	cases := map[string]struct {
		args          []string
		cloudinaryURL string
		want          string
	}{
		"a URL that is none":           {nil, "https://" + secret + "@example.com", "is not a Cloudinary URL"},
		"a secret over plain http":     {nil, "cloudinary://123456789012345:" + secret + "@demo?upload_prefix=http://api.example.com", "the secret would travel in the clear"},
		"a name that begins as ours":   {nil, "cloudinary://123456789012345:" + secret + "@demo?upload_prefix=http://localhost.example.com", "the secret would travel in the clear"},
		"an unknown form of output":    {[]string{"-o", "yaml"}, "", "-o is \"yaml\", must be table or json"},
		"a limit that leaves no room":  {[]string{"--url-limit=0"}, "", "--url-limit is 0, must be at least 1"},
		"no patience":                  {[]string{"--patience=0s"}, "", "must be above 0"},
		"an API without a claim":       {[]string{"--claim-from=http://127.0.0.1:1"}, "", "--claim-from has no meaning without --claim"},
		"an API that is no address":    {[]string{"--claim", "--claim-from=example"}, "", "is not an address such as"},
		"an environment in the clear":  {[]string{"--claim", "--claim-from=http://api.example.com"}, "", "the secret would travel in the clear"},
		"something that is not a flag": {[]string{"now"}, "", "unexpected argument \"now\""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			var out, progress bytes.Buffer
			err := run(t.Context(), c.args, c.cloudinaryURL, &out, &progress)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error is %v, want %q in it", err, c.want)
			}
			if strings.Contains(err.Error()+out.String()+progress.String(), secret) {
				t.Error("the secret is in what is printed")
			}
		})
	}
}

func TestHelpWarnsOfFillLimit(t *testing.T) {
	var out, progress bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, "", &out, &progress); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error is %v, want that help was asked for", err)
	}
	if !strings.Contains(progress.String(), "WARNING") {
		t.Errorf("no warning in:\n%s", &progress)
	}
}
