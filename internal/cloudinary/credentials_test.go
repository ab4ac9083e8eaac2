// SPDX-License-Identifier: Apache-2.0

package cloudinary_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/cloudinary-operator/cloudinary-operator/internal/cloudinary"
)

func TestCredentialsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	credentials := cloudinary.Credentials{CloudName: "c", APIKey: "hidden-key", APISecret: "hidden-secret", OAuthToken: "hidden-token"}
	client := cloudinary.NewClient(credentials, cloudinary.ClientOptions{})
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "credentials", credentials, "pointer", &credentials)
	marshaled, err := json.Marshal(map[string]any{"a": credentials, "b": &credentials})
	if err != nil {
		t.Fatal(err)
	}
	printed := map[string]string{"slog": log.String(), "json": string(marshaled), "logr": fmt.Sprint(credentials.MarshalLog())}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t"} {
		printed[verb] = fmt.Sprintf(verb, credentials)
		printed[verb+" of a pointer"] = fmt.Sprintf(verb, &credentials)
		printed[verb+" of an exported member"] = fmt.Sprintf(verb, struct{ C cloudinary.Credentials }{credentials})
		printed[verb+" of a client"] = fmt.Sprintf(verb, client)
	}
	for how, text := range printed {
		if strings.Contains(text, "hidden") || strings.Contains(text, fmt.Sprintf("%x", "hidden")) {
			t.Errorf("%s shows a secret: %s", how, text)
		}
		if !strings.Contains(how, "client") && !strings.Contains(text, "https://api.cloudinary.com/c") {
			t.Errorf("%s does not show the environment: %s", how, text)
		}
	}
}

func TestFingerprint(t *testing.T) {
	t.Parallel()
	base := cloudinary.Credentials{APIBase: "https://a", CloudName: "c", APIKey: "k", APISecret: "s", OAuthToken: "t"}
	others := map[string]cloudinary.Credentials{
		"another base":               {APIBase: "https://b", CloudName: "c", APIKey: "k", APISecret: "s", OAuthToken: "t"},
		"another cloud":              {APIBase: "https://a", CloudName: "d", APIKey: "k", APISecret: "s", OAuthToken: "t"},
		"another key":                {APIBase: "https://a", CloudName: "c", APIKey: "K", APISecret: "s", OAuthToken: "t"},
		"another secret":             {APIBase: "https://a", CloudName: "c", APIKey: "k", APISecret: "S", OAuthToken: "t"},
		"another token":              {APIBase: "https://a", CloudName: "c", APIKey: "k", APISecret: "s", OAuthToken: "T"},
		"a moved border":             {APIBase: "https://a", CloudName: "ck", APIKey: "", APISecret: "s", OAuthToken: "t"},
		"a secret moved to the next": {APIBase: "https://a", CloudName: "c", APIKey: "k", APISecret: "", OAuthToken: "st"},
	}
	prints := cloudinary.NewFingerprinter()
	want := prints.Fingerprint(base)
	if got := prints.Fingerprint(base); got != want || len(got) != 64 {
		t.Errorf("the same credentials gave %q and %q", want, got)
	}
	for name, other := range others {
		if prints.Fingerprint(other) == want {
			t.Errorf("%s has the same fingerprint", name)
		}
	}
	if cloudinary.NewFingerprinter().Fingerprint(base) == want {
		t.Error("another Fingerprinter gives the same fingerprint: a leaked one would let anybody try secrets")
	}
}
