// SPDX-License-Identifier: Apache-2.0

package check

import (
	"slices"
	"strings"
	"testing"
)

func TestURLIsRefused(t *testing.T) {
	for name, tc := range map[string]struct{ raw, says string }{
		"another scheme":               {"ftp://h.example.com/x", "must begin with https:// or http://"},
		"no scheme":                    {"hooks.example.com/x", "must begin with https:// or http://"},
		"no host":                      {"https:///x", "has no host name"},
		"a port alone":                 {"https://:443/x", "has no host name"},
		"credentials":                  {"https://user:hunter2@h/x", "credentials"},
		"a user":                       {"https://hunter2@h/x", "credentials"},
		"a password that is no port":   {"https://user:hunter2/x@h/", "is not a URL"},
		"a fragment":                   {"https://h/x#y", "fragment"},
		"an empty fragment":            {"https://h/x#", "fragment"},
		"an escape that is none":       {"https://h/hunter2%zz", "is not a URL"},
		"a space":                      {"https://h/a b", "%20"},
		"a line feed":                  {"https://h/a\nb", "control character"},
		"a port too large":             {"https://h:65536/", "between 1 and 65535"},
		"port zero":                    {"https://h:0/", "between 1 and 65535"},
		"nothing":                      {"", "must begin with"},
		"2049 bytes":                   {"https://h/" + strings.Repeat("x", 2039), "has 2049 bytes, but the maximum is 2048"},
		"a URL with something opaque":  {"https:h/x", "has no host name"},
		"a host that is not ASCII":     {"https://münchen.example/hunter2", "punycode: xn--mnchen-3ya.example"},
		"the same, percent-encoded":    {"https://m%C3%BCnchen.example/hunter2", "punycode: xn--mnchen-3ya.example"},
		"half a character, encoded":    {"https://m%C3nchen.example/", "punycode"},
		"a variable not replaced":      {"https://$(HOST)/hunter2", "placeholder"},
		"a wildcard":                   {"https://*.example.com/", "placeholder"},
		"a placeholder":                {"https://<your-host>/hunter2", "placeholder"},
		"a list":                       {"https://a.example.com,b.example.com/", "placeholder"},
		"an empty part":                {"https://hooks..example.com/", "in parts of 1 to 63"},
		"a part with a leading hyphen": {"https://-hooks.example.com/", "in parts of 1 to 63"},
		"a part of 64":                 {"https://" + strings.Repeat("a", 64) + ".example.com/", "in parts of 1 to 63"},
		"254 bytes":                    {"https://" + strings.Repeat("abcdefg.", 31) + "abcdef/", "in parts of 1 to 63"},
		"a number":                     {"https://2130706433/", "neither a host name nor an IP address"},
		"an address in short":          {"https://10.1/", "neither a host name nor an IP address"},
		"a part of an address too big": {"https://10.0.0.256/", "neither a host name nor an IP address"},
		"an address with a zone":       {"https://[fe80::1%25eth0]/", "neither a host name nor an IP address"},
		"no address in particular":     {"https://0.0.0.0/", "which no server can have"},
		"the same, IPv6":               {"https://[::]:8443/", "which no server can have"},
		"multicast":                    {"https://224.0.0.1/", "which no server can have"},
		"broadcast":                    {"https://255.255.255.255/", "which no server can have"},
	} {
		t.Run(name, func(t *testing.T) {
			found := URL(FieldURL, tc.raw)
			if len(found) != 1 || found[0].Severity != Refusal || found[0].Reason != "InvalidURL" {
				t.Fatalf("%+v, want one refusal", found)
			}
			said := found[0].String()
			if !strings.HasPrefix(said, "spec.url: ") || !strings.Contains(said, tc.says) {
				t.Errorf("%q, want spec.url: and %q", said, tc.says)
			}
			if strings.Contains(said, "hunter2") {
				t.Errorf("the message repeats a secret: %q", said)
			}
			if err := Notifiable(tc.raw); err == nil {
				t.Error("Notifiable lets it pass")
			}
		})
	}
}

func TestURLThatMayBeMeant(t *testing.T) {
	const lost = "cannot reach it"
	for name, tc := range map[string]struct {
		raw   string
		notes []string
	}{
		"https":                        {"https://hooks.example.com/x?token=a", nil},
		"a port":                       {"https://hooks.example.com:8443", nil},
		"an empty port is the default": {"https://hooks.example.com:/x", nil},
		"upper case":                   {"HTTPS://HOOKS.EXAMPLE.COM/", nil},
		"the root's dot":               {"https://hooks.example.com./", nil},
		"an underscore":                {"https://my_hooks.example.com/", nil},
		"punycode":                     {"https://xn--mnchen-3ya.de/", nil},
		"2048 bytes":                   {"https://h.example.com/" + strings.Repeat("x", 2048-22), nil},
		"a public address":             {"https://8.8.8.8/", nil},
		"a public IPv6 address":        {"https://[2606:4700::1111]:8443/", nil},
		"a domain that ends so":        {"https://notlocalhost.com/", nil},
		"a domain of shops":            {"https://catalog.shop/", nil},
		"http":                         {"http://hooks.example.com/x", []string{"unencrypted"}},
		"this machine":                 {"https://localhost:8080/x", []string{lost}},
		"this machine, in capitals":    {"https://LOCALHOST./x", []string{lost}},
		"below it":                     {"https://app.localhost/x", []string{lost}},
		"its address":                  {"https://127.0.0.1/x", []string{lost}},
		"another of its addresses":     {"https://127.8.8.8/x", []string{lost}},
		"its IPv6 address":             {"https://[::1]:8443/", []string{lost}},
		"its address, mapped":          {"https://[::ffff:127.0.0.1]/", []string{lost}},
		"a Service":                    {"http://catalog.shop.svc.cluster.local/hooks", []string{"unencrypted", lost}},
		"a Service in short":           {"https://catalog.shop.svc/hooks", []string{lost}},
		"a Service in its namespace":   {"https://catalog/hooks", []string{lost}},
		"a private address":            {"https://10.0.0.1/h", []string{lost}},
		"another":                      {"https://172.16.5.4/h", []string{lost}},
		"a third":                      {"https://192.168.1.2/h", []string{lost}},
		"a private IPv6 address":       {"https://[fd00::1]/h", []string{lost}},
		"a link's address":             {"https://169.254.169.254/h", []string{lost}},
		"a carrier's address":          {"https://100.64.0.1/h", []string{lost}},
		"an example of an address":     {"https://203.0.113.9/h", []string{lost}},
		"a name of mDNS":               {"https://nas.local/h", []string{lost}},
		"a name of a company's":        {"https://hooks.prod.internal/h", []string{lost}},
	} {
		t.Run(name, func(t *testing.T) {
			found := URL(FieldURL, tc.raw)
			if len(found) != len(tc.notes) || slices.ContainsFunc(found, func(f Finding) bool { return f.Severity != Note || f.Field != FieldURL }) {
				t.Fatalf("%+v, want %d notes", found, len(tc.notes))
			}
			for i, f := range found {
				if !strings.Contains(f.String(), tc.notes[i]) {
					t.Errorf("%q does not say %q", f, tc.notes[i])
				}
			}
			if err := Notifiable(tc.raw); err != nil {
				t.Errorf("Notifiable says: %v", err)
			}
		})
	}
}

// What there is to do depends on whose address it is.
func TestUnreachableURLNamesTheWayOut(t *testing.T) {
	for field, says := range map[string]string{FieldURL: "spec.receiver with deliverTo", FieldBaseURL: "address on the internet"} {
		if said := Join(URL(field, "https://localhost/x")); !strings.Contains(said, says) {
			t.Errorf("%s: %q does not say %q", field, said, says)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, seed := range []string{"https://h", "HTTPS://u:p@[::1%25en0]:443/a%2fb?c=%zz#d", "http://h:80?", "mailto:a@b", "//h", "https://\u212a.example/", "https://%41", "http://[fe80::1]:80", "https://1.2.3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if said := Join(URL(FieldURL, raw)); len(said) > 1024 {
			t.Errorf("messages of %d bytes", len(said))
		}
	})
}
