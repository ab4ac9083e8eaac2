// SPDX-License-Identifier: Apache-2.0

package simulator

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
)

// Forward stands for a load balancer in front of a receiver: what is sent to From goes to To, and asks for the same host.
type Forward struct {
	// From and To are a scheme and a host, such as https://hooks.example.com.
	From, To string
}

func parseForward(text string) (Forward, error) {
	from, to, found := strings.Cut(text, "=")
	f := Forward{From: strings.TrimRight(from, "/"), To: strings.TrimRight(to, "/")}
	if !found || !isBase(f.From) || !isBase(f.To) {
		return Forward{}, errors.New("must be two addresses without a path, such as https://hooks.example.com=http://127.0.0.1:8080")
	}
	return f, nil
}

func isBase(text string) bool {
	u, err := url.Parse(text)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.Path == "" && u.User == nil && u.RawQuery == "" && u.Fragment == ""
}

// forward sends a request to where the first of the forwards that fits leads.
func forward(req *http.Request, forwards []Forward) {
	from := req.URL.Scheme + "://" + req.URL.Host
	for _, f := range forwards {
		if !strings.EqualFold(from, f.From) {
			continue
		}
		to, err := url.Parse(f.To)
		if err != nil {
			return
		}
		req.Host = req.URL.Host
		req.URL.Scheme, req.URL.Host = to.Scheme, to.Host
		return
	}
}
