// SPDX-License-Identifier: Apache-2.0

package main

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/yaml"

	"github.com/cloudinary-operator/cloudinary-operator/internal/membudget"
)

// checked parses arguments and says what is wrong with them, flag or value.
func checked(t *testing.T, args ...string) (*options, error) {
	t.Helper()
	flags := flag.NewFlagSet("receiver", flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	o := newFlags(flags)
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	return o, o.Check()
}

func TestFlagsThatCannotWorkAreNamed(t *testing.T) {
	for name, tc := range map[string]struct {
		args []string
		want []string // of the message; none: it can work
		why  string
	}{
		"nothing but the namespace": {why: "every other flag has a default"},
		"least values": {
			args: []string{
				"--store-max-bytes=1", "--store-max-notifications=1", "--store-max-keys=1", "--max-body-bytes=1", "--max-in-flight-bytes=2",
				"--max-in-flight-requests=1", "--max-connections=1", "--store-min-free-bytes=0", "--shutdown-delay=0s", "--shutdown-timeout=1s",
			},
			why: "they are of use in a test",
		},
		"the other routing":      {args: []string{"--service-routing=Endpoints"}},
		"an unknown routing":     {args: []string{"--service-routing=endpoints"}, want: []string{"--service-routing", `"endpoints"`, "Endpoints"}},
		"no bytes":               {args: []string{"--store-max-bytes=0"}, want: []string{"--store-max-bytes is 0"}},
		"no notifications":       {args: []string{"--store-max-notifications=-1"}, want: []string{"--store-max-notifications is -1"}},
		"no keys":                {args: []string{"--store-max-keys=0"}, want: []string{"--store-max-keys is 0"}},
		"no body":                {args: []string{"--max-body-bytes=0"}, want: []string{"--max-body-bytes is 0"}},
		"no requests":            {args: []string{"--max-in-flight-requests=0"}, want: []string{"--max-in-flight-requests is 0"}},
		"no connections":         {args: []string{"--max-connections=0"}, want: []string{"--max-connections is 0"}},
		"no room for two bodies": {args: []string{"--max-in-flight-bytes=6291455"}, want: []string{"--max-in-flight-bytes is 6291455", "twice --max-body-bytes, which is 3145728"}},
		"a negative room":        {args: []string{"--store-min-free-bytes=-1"}, want: []string{"--store-min-free-bytes is -1, must be at least 0"}},
		"a negative delay":       {args: []string{"--shutdown-delay=-1s"}, want: []string{"--shutdown-delay is -1s, must be at least 0s"}},
		"a timeout of nothing":   {args: []string{"--shutdown-timeout=0s"}, want: []string{"--shutdown-timeout is 0s, must be at least 1s"}},
		"no folder":              {args: []string{"--store-dir="}, want: []string{"--store-dir"}},
		"no admin address":       {args: []string{"--admin-bind-address=0"}},
		"another admin port":     {args: []string{"--admin-bind-address=[::1]:9000"}},
		"an admin address for all": {
			args: []string{"--admin-bind-address=:8082"}, want: []string{"--admin-bind-address", `":8082"`, "not a loopback address", "no authentication"},
			why: "it would be reachable from the whole cluster",
		},
		"an admin address without a port": {args: []string{"--admin-bind-address=127.0.0.1"}, want: []string{"--admin-bind-address", "port"}},
		"no namespace":                    {args: []string{"--namespace="}, want: []string{"--namespace", "outside a cluster"}},
		"an unknown flag":                 {args: []string{"--store-max-byte=1"}, want: []string{"-store-max-byte"}},
		"a value of another kind":         {args: []string{"--shutdown-delay=5"}, want: []string{"-shutdown-delay"}},
		"a body twice which is no number": {
			args: []string{"--max-body-bytes=9223372036854775807"}, want: []string{"--max-in-flight-bytes is 33554432"}, why: "twice the largest number is -2",
		},
		"a negative rate": {args: []string{"--max-endpoint-rate=-1"}, want: []string{"--max-endpoint-rate is -1, must be at least 0"}},
		"all that is too small, in the order of the docs": {
			args: []string{"--shutdown-delay=-1s", "--max-connections=0", "--max-body-bytes=0", "--store-max-keys=0", "--store-max-notifications=0", "--store-max-bytes=0"},
			want: []string{
				"--store-max-bytes is 0, must be at least 1\n--store-max-notifications is 0, must be at least 1\n--store-max-keys is 0, must be at least 1\n" +
					"--max-body-bytes is 0, must be at least 1\n--max-connections is 0, must be at least 1\n--shutdown-delay is -1s, must be at least 0s",
			},
			why: "the same mistakes are told in the same words each time",
		},
		"networks to deny":       {args: []string{"--deny-target-cidrs=10.0.0.0/8, fd00:1::/32"}},
		"an address to deny":     {args: []string{"--deny-target-cidrs=10.0.0.1"}, want: []string{"--deny-target-cidrs", "write 10.0.0.1/32"}},
		"a network that is none": {args: []string{"--deny-target-cidrs=10.0.0.1/8"}, want: []string{"--deny-target-cidrs", "write 10.0.0.0/8"}},
		"several at once":        {args: []string{"--max-connections=0", "--service-routing=x"}, want: []string{"--max-connections", "--service-routing"}, why: "one start shows all"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := checked(t, append([]string{"--namespace=operator"}, tc.args...)...)
			if (err != nil) != (len(tc.want) > 0) {
				t.Fatalf("error %v, want one: %v: %s", err, len(tc.want) > 0, tc.why)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error %q does not name %s: %s", err, want, tc.why)
				}
			}
		})
	}
}

func TestWhatTheDefaultsTakeFitsWhereTheyAreDeployed(t *testing.T) {
	raw, err := os.ReadFile("../../config/receiver/deployment.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var d appsv1.Deployment
	if err := yaml.Unmarshal(raw, &d); err != nil {
		t.Fatal(err)
	}
	container := d.Spec.Template.Spec.Containers[0]
	limit := membudget.OfContainer(container.Resources.Limits.Memory().Value())
	for _, e := range container.Env {
		if e.Name == "GOMEMLIMIT" {
			goLimit := resource.MustParse(strings.TrimSuffix(e.Value, "B"))
			if goLimit.Value() > limit {
				t.Errorf("GOMEMLIMIT is %s, and 90 %% of the container's limit are %s", e.Value, membudget.Size(limit))
			}
			limit = goLimit.Value()
		}
	}
	o, err := checked(t, "--namespace=operator")
	if err != nil {
		t.Fatal(err)
	}
	if err := membudget.Check(membudget.Limit{Bytes: limit, Source: "config/receiver"}, o.memory()); err != nil {
		t.Error(err)
	}
}

func TestEachFlagThatTakesMemoryIsReckonedWith(t *testing.T) {
	for _, flag := range []string{"max-connections", "max-in-flight-requests", "max-in-flight-bytes", "store-max-notifications", "store-max-keys"} {
		o, err := checked(t, "--namespace=operator", fmt.Sprintf("--%s=%d", flag, math.MaxInt64))
		if err != nil {
			t.Fatal(err)
		}
		if flag == "max-in-flight-requests" {
			o.maxConnections = math.MaxInt // there are no more requests than connections
		}
		err = membudget.Check(membudget.Limit{Bytes: 1 << 40, Source: "a very large node"}, o.memory())
		if err == nil || !strings.Contains(err.Error(), "--"+flag+" is ") {
			t.Errorf("--%s at its most: %v", flag, err)
		}
	}
}

func TestReasonsAreOnceEach(t *testing.T) {
	seen := map[string]bool{}
	for _, reason := range reasons() {
		if reason == "" || seen[reason] {
			t.Errorf("the reason %q is empty, or there twice", reason)
		}
		seen[reason] = true
	}
}

func TestRunWithoutStarting(t *testing.T) {
	if err := run(t.Context(), "receiver", []string{"--help"}, io.Discard); err != nil {
		t.Errorf("--help ends with %v", err)
	}
	if err := run(t.Context(), "receiver", []string{"--namespace=x", "--max-connections=0"}, io.Discard); err == nil {
		t.Error("a flag that cannot work is taken")
	}
}
