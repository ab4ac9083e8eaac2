// SPDX-License-Identifier: Apache-2.0

package notification

import (
	"bytes"
	"strings"
	"testing"
)

func TestATokenIsTheKeysAndTheEndpointsAlone(t *testing.T) {
	key, other := bytes.Repeat([]byte{1}, PathKeyBytes), bytes.Repeat([]byte{2}, PathKeyBytes)
	token := PathToken(key, "shop", "media")
	if token != PathToken(bytes.Clone(key), "shop", "media") {
		t.Error("the same key and endpoint have two tokens")
	}
	// Computed with: printf /v1/notifications/shop/media | openssl dgst -sha256 -mac HMAC -macopt hexkey:0101…
	if want := "5535fcd45cf2d1dfd63e829802ff8370"; token != want {
		t.Errorf("the token is %s, want %s: a release that computes it otherwise moves every endpoint", token, want)
	}
	seen := map[string]string{}
	for name, got := range map[string]string{
		"it": token, "another key": PathToken(other, "shop", "media"), "another name": PathToken(key, "shop", "media2"),
		"another namespace": PathToken(key, "shop2", "media"), "the parts the other way round": PathToken(key, "media", "shop"),
	} {
		if before, is := seen[got]; is {
			t.Errorf("%s and %s have the same token", name, before)
		}
		seen[got] = name
	}
}

func TestWhoseURLItIs(t *testing.T) {
	token := PathToken(make([]byte, PathKeyBytes), "shop", "media")
	for name, tc := range map[string]struct {
		url         string
		base, token string
		no          bool
	}{
		"a plain one":                         {url: "https://h/v1/notifications/shop/media", base: "https://h"},
		"one with a token":                    {url: "https://h/v1/notifications/shop/media/" + token, base: "https://h", token: token},
		"below a path":                        {url: "https://h/a/b/v1/notifications/shop/media/" + token, base: "https://h/a/b", token: token},
		"behind another's":                    {url: "https://h/v1/notifications/other/x/v1/notifications/shop/media", base: "https://h/v1/notifications/other/x"},
		"another name":                        {url: "https://h/v1/notifications/shop/media2", no: true},
		"another namespace":                   {url: "https://h/v1/notifications/my-shop/media/" + token, no: true},
		"something else behind it":            {url: "https://h/v1/notifications/shop/media/more", no: true},
		"a slash behind it":                   {url: "https://h/v1/notifications/shop/media/", no: true},
		"a slash behind the token":            {url: "https://h/v1/notifications/shop/media/" + token + "/", no: true},
		"two tokens":                          {url: "https://h/v1/notifications/shop/media/" + token + "/" + token, no: true},
		"a token in capitals":                 {url: "https://h/v1/notifications/shop/media/" + strings.ToUpper(token[:31]) + "A", no: true},
		"a token that is too short":           {url: "https://h/v1/notifications/shop/media/" + token[1:], no: true},
		"a query":                             {url: "https://h/v1/notifications/shop/media?x=y", no: true},
		"nothing":                             {no: true},
		"a token alone, of another's":         {url: token, no: true},
		"the path alone, as requests have it": {url: "/v1/notifications/shop/media/" + token, token: token},
	} {
		t.Run(name, func(t *testing.T) {
			base, got, ok := CutPath(tc.url, "shop", "media")
			if ok == tc.no || base != tc.base || got != tc.token {
				t.Errorf("base %q, token %q, %v; want %q, %q, %v", base, got, ok, tc.base, tc.token, !tc.no)
			}
			if ok && !strings.HasPrefix(tc.url[len(base):], Path("shop", "media")) {
				t.Errorf("what follows %q is not the endpoint's path", base)
			}
		})
	}
}
