// SPDX-License-Identifier: Apache-2.0

package simulator_test

import (
	"flag"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cloudinary-operator/cloudinary-operator/internal/firing"
	"github.com/cloudinary-operator/cloudinary-operator/internal/sample"
	"github.com/cloudinary-operator/cloudinary-operator/internal/simulator"
)

const seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"

func parseFlags(args ...string) (simulator.Options, error) {
	var options simulator.Options
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	options.RegisterFlags(flags)
	err := flags.Parse(args)
	return options, err
}

func TestFlags(t *testing.T) {
	got, err := parseFlags(
		"--cloud=c", "--api-key=k", "--api-secret=s", "--additional-credentials=k2:s:2", "--additional-credentials=k3:s3",
		"--oauth-token=t1", "--oauth-token=t2", "--extra-event-types=a,b", "--update-semantics=replace", "--create-status=200",
		"--create-body=wrapped", "--duplicate-key=uri+event_type+filter", "--echo=openapi", "--unset-fields=absent", "--list-lag=3s",
		"--normalize=lossy", "--put-limit-check", "--put-fields=ignore", "--put-url=either", "--put-answer=trigger", "--filter-language=echo", "--unset-auth-scheme=legacy_hmac",
		"--clear-template=empty-string", "--clear-filter=both",
		"--url-limit=10", "--rate-limit=500", "--rate-limit-window=1m", "--rate-limit-status=429", "--timestamps=offset", "--latency=20ms",
		"--claim-answer=nested", "--claim-limit=2",
		"--signature-algorithm=sha256", "--ed25519-seed="+seed, "--retry-schedule=1s, 5m", "--retry-timestamp=fresh", "--delivery-timeout=2s",
		"--delivery-concurrency=3", "--delivery-history=7", "--template-escaping=none",
		"--forward=https://hooks.example.com/=http://127.0.0.1:8080",
	)
	if err != nil {
		t.Fatal(err)
	}
	want := simulator.Options{
		Cloud: "c", APIKey: "k", APISecret: "s",
		AdditionalCredentials: []simulator.Credentials{{APIKey: "k2", APISecret: "s:2"}, {APIKey: "k3", APISecret: "s3"}},
		OAuthTokens:           []string{"t1", "t2"}, ExtraEventTypes: []string{"a", "b"},
		UpdateSemantics: simulator.UpdateReplace, CreateStatus: 200, CreateBody: simulator.CreateWrapped,
		DuplicateKey: simulator.DuplicateURIEventTypeFilter, Echo: simulator.EchoOpenAPI, UnsetFields: simulator.UnsetAbsent,
		ListLag: 3 * time.Second, Normalize: simulator.NormalizeLossy, PutLimitCheck: true, PutFields: simulator.PutIgnore,
		PutURL: simulator.PutEitherURI, PutAnswer: simulator.PutTrigger,
		FilterLanguage: simulator.FilterLanguageEcho, UnsetAuthScheme: simulator.UnsetLegacy,
		ClearTemplate: simulator.ClearEmptyString, ClearFilter: simulator.ClearBoth, URLLimit: 10, RateLimit: 500,
		RateLimitWindow: time.Minute, RateLimitStatus: 429, Timestamps: simulator.TimestampsOffset, Latency: 20 * time.Millisecond,
		ClaimAnswer: simulator.ClaimNested, ClaimLimit: 2,
		Delivery: simulator.DeliveryOptions{
			SignatureAlgorithm: sample.SHA256, Ed25519Seed: seed, RetrySchedule: simulator.Schedule{time.Second, 5 * time.Minute},
			RetryTimestamp: simulator.RetryFresh, Timeout: 2 * time.Second, Concurrency: 3, History: 7, TemplateEscaping: firing.EscapeNone,
			Forwards: []simulator.Forward{{From: "https://hooks.example.com", To: "http://127.0.0.1:8080"}},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(simulator.Options{}, "Clock", "Sleep")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, err := simulator.New(got); err != nil {
		t.Errorf("New: %v", err)
	}
}

// Every flag is in README.md, and no other.
func TestReadmeListsTheFlags(t *testing.T) {
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"listen": true} // the command's own
	var options simulator.Options
	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	options.RegisterFlags(flags)
	flags.VisitAll(func(f *flag.Flag) { listed[f.Name] = true })
	for line := range strings.SplitSeq(string(readme), "\n") {
		names, isRow := strings.CutPrefix(line, "| `--")
		if !isRow {
			continue
		}
		names, _, _ = strings.Cut("`--"+names, " |")
		for name := range strings.SplitSeq(names, ", ") {
			name = strings.Trim(name, "`-")
			if !listed[name] {
				t.Errorf("README.md lists --%s, which does not exist or stands there twice", name)
			}
			delete(listed, name)
		}
	}
	for name := range listed {
		t.Errorf("README.md does not list --%s", name)
	}
}

func TestNormalizeMayStandAlone(t *testing.T) {
	for name, args := range map[string][]string{
		"at the end":              {"--normalize"},
		"before another flag":     {"-normalize", "--put-limit-check"},
		"with the word behind it": {"--normalize", "equivalent", "--put-limit-check"},
		"with the word in it":     {"--normalize=equivalent"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseFlags(simulator.Arguments(args)...)
			if err != nil {
				t.Fatal(err)
			}
			if got.Normalize != simulator.NormalizeEquivalent {
				t.Errorf("%v: %q", args, got.Normalize)
			}
		})
	}
}

func TestRefusedFlags(t *testing.T) {
	cases := map[string]struct{ arg, want string }{
		"an unknown word names the allowed ones":   {"--normalize=some", "must be one of off, equivalent, lossy"},
		"an unknown status names the allowed ones": {"--create-status=202", "must be one of 200, 201"},
		"credentials without a secret":             {"--additional-credentials=k", "must be key:secret"},
		"an empty token":                           {"--oauth-token=", "must not be empty"},
		"an empty cloud":                           {"--cloud=", "must not be empty"},
		"an event type that is no name":            {"--extra-event-types=a,B", "must match"},
		"a limit of zero":                          {"--url-limit=0", "other than 0"},
		"a window of zero":                         {"--rate-limit-window=0s", "above 0"},
		"a latency below zero":                     {"--latency=-1s", "not negative"},
		"a schedule that goes back":                {"--retry-schedule=3m,1m", "each after the one before it"},
		"a schedule of no durations":               {"--retry-schedule=3,6", "must be times above 0"},
		"an empty schedule":                        {"--retry-schedule=", "must be times above 0"},
		"a schedule without end":                   {"--retry-schedule=" + strings.Repeat("1s,", 30) + "1s", "at most 20 times"},
		"a seed that is too short":                 {"--ed25519-seed=00", "must be 64 hex digits"},
		"a seed that is no hex":                    {"--ed25519-seed=" + strings.Repeat("x", 64), "must be 64 hex digits"},
		"an empty seed":                            {"--ed25519-seed=", "must be 64 hex digits"},
		"no time to deliver":                       {"--delivery-timeout=0s", "above 0"},
		"a forward to nowhere":                     {"--forward=https://hooks.example.com", "two addresses without a path"},
		"a forward with a path":                    {"--forward=https://a=http://b/c", "two addresses without a path"},
		"no claimable environment":                 {"--claim-limit=0", "from 1 to 1000"},
		"nothing at once":                          {"--delivery-concurrency=0", "from 1 to 1000"},
		"too much history":                         {"--delivery-history=1000000", "from 1 to 100000"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := parseFlags(tc.arg)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("%s: %v, want it to say %q", tc.arg, err, tc.want)
			}
		})
	}
}

func TestScheduleNone(t *testing.T) {
	options, err := parseFlags("--retry-schedule=none")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(simulator.Schedule{}, options.Delivery.RetrySchedule); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := options.Delivery.RetrySchedule.String(); got != "none" {
		t.Errorf("written as %q", got)
	}
}

func TestRefusedOptions(t *testing.T) {
	_, err := simulator.New(simulator.Options{
		Echo: "half", CreateStatus: 204, Latency: -1, Cloud: "a/b", ClaimAnswer: "deep", ClaimLimit: -1,
		Delivery: simulator.DeliveryOptions{
			SignatureAlgorithm: "md5", Ed25519Seed: "1", RetrySchedule: simulator.Schedule{0}, RetryTimestamp: "old", Timeout: -1,
			Concurrency: -1, History: -1, TemplateEscaping: "json",
		},
	})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		"echo: half is not one of full, openapi", "create-status: 204 is not one of 200, 201", "latency:", "cloud:",
		"claim-answer: deep is not one of flat, nested", "claim-limit: must be",
		"signature-algorithm: md5 is not one of sha1, sha256", "ed25519-seed: must be", "retry-schedule: must be", "retry-timestamp: old is not",
		"delivery-timeout: -1ns must not", "delivery-concurrency: must be", "delivery-history: must be", "template-escaping: json is not",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
	}
}
