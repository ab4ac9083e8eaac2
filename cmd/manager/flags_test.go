// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestFlagsThatCannotWorkAreRefusedByName(t *testing.T) {
	tests := map[string]struct {
		args []string
		want string // empty: they are taken
	}{
		"the defaults work": {},
		"a sync interval below a second": {
			args: []string{"--sync-interval=500ms"}, want: "--sync-interval is 500ms, must be at least 1s",
		},
		"a call that takes no time": {
			args: []string{"--call-timeout=0s"}, want: "--call-timeout is 0s, must be at least 1s",
		},
		"the least times": {
			args: []string{"--sync-interval=1s", "--min-list-interval=0s", "--settle-time=0s", "--call-timeout=1s", "--verification-key-grace=0s"},
		},
		"several at once, in the order of the docs": {
			args: []string{
				"--url-limit=0", "--verification-key-grace=-4s", "--call-share=2", "--call-timeout=-3s", "--settle-time=-2s", "--min-list-interval=-1s",
				"--sync-interval=0s",
			},
			want: strings.Join([]string{
				"--sync-interval is 0s, must be at least 1s", "--min-list-interval is -1s, must be at least 0s",
				"--settle-time is -2s, must be at least 0s", "--call-timeout is -3s, must be at least 1s",
				"--call-share is 2, must be above 0 and at most 1", "--url-limit is 0, must be at least 1",
				"--verification-key-grace is -4s, must be at least 0s",
			}, "\n"),
		},
		"a share that is no number": {
			args: []string{"--call-share=NaN"}, want: "--call-share is NaN, must be above 0 and at most 1",
		},
		"a share above the whole": {
			args: []string{"--call-share=1.5"}, want: "--call-share is 1.5, must be above 0 and at most 1",
		},
		"a certificate without its key": {
			args: []string{"--metrics-cert-file=/tls/tls.crt"}, want: "--metrics-cert-file and --metrics-key-file go together",
		},
		"a certificate for what is not https": {
			args: []string{"--metrics-cert-file=/tls/tls.crt", "--metrics-key-file=/tls/tls.key", "--metrics-secure=false"}, want: "--metrics-secure=false is http",
		},
		"no URL at all": {
			args: []string{"--url-limit=0"}, want: "--url-limit is 0, must be at least 1",
		},
		"a base URL that is none": {
			args: []string{"--receiver-base-url=hooks.example.com"}, want: "--receiver-base-url: ",
		},
		"a base URL with a query": {
			args: []string{"--receiver-base-url=https://hooks.example.com/?a=b"}, want: "--receiver-base-url must have neither a query nor a fragment",
		},
		"other Admin APIs": {
			args: []string{"--allowed-api-bases=proxy.example.com:8443, *.example.com,http://127.0.0.1:8080"},
		},
		"another Admin API that is none": {
			args: []string{"--allowed-api-bases=proxy.example.com,https://user@example.com"}, want: `--allowed-api-bases: "https://user@example.com" holds a user name`,
		},
		"a lease that is given up after it has run out": {
			args: []string{"--leader-election-renew-deadline=40s"}, want: "--leader-election-lease-duration is 30s, must be longer than --leader-election-renew-deadline, which is 40s",
		},
		"a lease that is tried for once only": {
			args: []string{"--leader-election-retry-period=17s"},
			want: "--leader-election-renew-deadline is 20s, must be longer than 20.4s (1.2 times --leader-election-retry-period)",
		},
		"a lease that is tried for without a pause": {
			args: []string{"--leader-election-retry-period=0s"}, want: "--leader-election-retry-period is 0s, must be at least 100ms",
		},
		"a call that may outlive the lease": {
			args: []string{"--call-timeout=26s"}, want: "--call-timeout is 26s, must be shorter than what is left of the lease when it is renewed, which is 26s",
		},
		"a call that may outlive a lease which there is not": {
			args: []string{"--call-timeout=26s", "--leader-elect=false"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			flags := flag.NewFlagSet("manager", flag.ContinueOnError)
			o := newFlags(flags)
			if err := flags.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			got := ""
			if err := o.Check(); err != nil {
				got = err.Error()
			}
			if !strings.Contains(got, test.want) || test.want == "" && got != "" {
				t.Errorf("it says %q, want %q", got, test.want)
			}
		})
	}
}

func TestWhatTheManagerIsMadeFrom(t *testing.T) {
	tests := map[string]struct {
		args              []string
		namespaces        []string
		lease, keys, base string // base: an Admin API that may be called
		err               string
	}{
		"outside a cluster, without a lease": {args: []string{"--leader-elect=false"}},
		"outside a cluster": {
			err: "--leader-election-namespace must be given outside a cluster, or --leader-elect=false",
		},
		"the keys are where the lease is": {args: []string{"--leader-election-namespace=system"}, lease: "system", keys: "system"},
		"the keys are elsewhere": {
			args: []string{"--leader-election-namespace=system", "--verification-namespace=keys"}, lease: "system", keys: "keys",
		},
		"namespaces in any order, and twice": {
			args: []string{"--leader-elect=false", "--watch-namespaces=shop, catalog,shop"}, namespaces: []string{"catalog", "shop"},
		},
		"another Admin API": {
			args: []string{"--leader-elect=false", "--allowed-api-bases=https://proxy.example.com"}, base: "https://proxy.example.com",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			flags := flag.NewFlagSet("manager", flag.ContinueOnError)
			o := newFlags(flags)
			if err := flags.Parse(test.args); err != nil {
				t.Fatal(err)
			}
			before := *o
			got, err := o.manager()
			if test.err != "" {
				if err == nil || err.Error() != test.err {
					t.Errorf("error %v, want %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(before, *o) {
				t.Errorf("the flags are %+v, and were %+v", *o, before)
			}
			lease := ""
			if got.Lease != nil {
				lease = got.Lease.Namespace
			}
			if !slices.Equal(got.Namespaces, test.namespaces) || lease != test.lease || got.VerificationNamespace != test.keys {
				t.Errorf("namespaces %v, lease in %q, keys in %q", got.Namespaces, lease, got.VerificationNamespace)
			}
			if got.UserAgent != "cloudinary-operator/"+version {
				t.Errorf("it calls itself %q", got.UserAgent)
			}
			if test.base != "" && !got.AllowedAPIBases.Allows(test.base) {
				t.Errorf("%s may not be called", test.base)
			}
		})
	}
}
