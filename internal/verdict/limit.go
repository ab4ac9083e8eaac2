// SPDX-License-Identifier: Apache-2.0

package verdict

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/cloudinary-operator/cloudinary-operator/internal/plan"
	"github.com/cloudinary-operator/cloudinary-operator/internal/resolve"
)

// maxForeign is the number of unowned URLs whose host is named.
const maxForeign = 5

// LimitUse is the use of an environment's URL limit.
type LimitUse struct {
	limit int
	urls  []string // all URLs there, canonical and sorted
	// By URL and namespace: an endpoint of the objects with triggers there
	users map[string]map[string]string
	// By namespace: the result of describe, which the message of every refused object repeats
	said *sync.Map
}

// LimitUseOf finds out who uses the environment's URLs.
func LimitUseOf(s *resolve.Scope, limit int, p plan.Plan) LimitUse {
	use := LimitUse{limit: limit, urls: p.URLs, users: map[string]map[string]string{}, said: &sync.Map{}}
	for _, key := range s.Order {
		endpoint := resolve.TriggerEndpoint(s.Triggers[key].CloudinaryTrigger)
		for _, rec := range p.Verdicts[key].Records {
			at := plan.CanonicalURL(rec.URL)
			if rec.ID == "" {
				continue
			}
			if use.users[at] == nil {
				use.users[at] = map[string]string{}
			}
			if _, known := use.users[at][endpoint.Namespace]; !known {
				use.users[at][endpoint.Namespace] = endpoint.Name
			}
		}
	}
	return use
}

// explain tells the owner of a namespace that there is no room, and what to do. word is
// Cloudinary's message, or empty if Cloudinary was not asked.
func (u *LimitUse) explain(namespace, word string) string {
	full := fmt.Sprintf("the product environment has reached its limit of notification URLs (%d of %d)", len(u.urls), u.limit)
	if word != "" {
		full = fmt.Sprintf("Cloudinary refuses another notification URL (it says %q). %d of the %d that --url-limit allows are in use", word, len(u.urls), u.limit)
	}
	return full + ". They are used by " + u.describe(namespace) + ". Release a URL, or use an existing one. The operator then continues by itself"
}

// describe tells the owner of a namespace who uses the limit: endpoints of that namespace by name,
// those of others by number, and unowned URLs by scheme and host, because the rest may be a token.
func (u *LimitUse) describe(namespace string) string {
	if text, known := u.said.Load(namespace); known {
		return fmt.Sprint(text)
	}
	text := u.describeAnew(namespace)
	u.said.Store(namespace, text)
	return text
}

func (u *LimitUse) describeAnew(namespace string) string {
	var own, foreign []string
	others, unknown := 0, 0
	for _, at := range u.urls {
		users := u.users[at]
		name, uses := users[namespace]
		switch {
		case uses:
			own = append(own, name)
		case len(users) > 0:
			others++
		default:
			unknown++
			if host := resolve.HostOf(at); len(foreign) < maxForeign && !slices.Contains(foreign, host) {
				foreign = append(foreign, host)
			}
		}
	}
	slices.Sort(own)
	var parts []string
	if own = slices.Compact(own); len(own) > 0 {
		parts = append(parts, "NotificationEndpoints of this namespace: "+joinNames(own))
	}
	if others > 0 {
		parts = append(parts, fmt.Sprintf("those of other namespaces: %d", others))
	}
	if unknown > 0 {
		parts = append(parts, fmt.Sprintf("URLs that no object here has: %d, such as %s", unknown, strings.Join(foreign, ", ")))
	}
	return strings.Join(parts, "; ")
}
