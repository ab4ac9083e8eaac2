// SPDX-License-Identifier: Apache-2.0

package route

import (
	"net/url"
	"slices"
	"time"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
)

// Bounds on what an endpoint is served at, whatever its addresses go through. Each address gives two paths at most.
const (
	maxPaths       = 16
	maxFormerPaths = 8
)

// FormerPath is a path at which an endpoint was served before it moved.
type FormerPath struct {
	Path string `json:"path"`
	// Until is when it is served no longer. None: nothing has taken its place yet.
	Until time.Time `json:"until,omitzero"`
}

// PathOf is the path that a URL is looked up by: as it was written where that is not the usual way, so that an escaped slash is none.
func PathOf(u *url.URL) string {
	if u.RawPath != "" {
		return u.RawPath
	}
	return u.Path
}

// pathsAt are the paths at which an endpoint is served by one of its URLs: that of the URL and, since proxies cut off what stands before, what
// the manager has appended to the base. There is nothing of a URL that is not the endpoint's.
func pathsAt(address string, e *v1alpha1.NotificationEndpoint) []string {
	u, err := url.Parse(address)
	if err != nil {
		return nil
	}
	path := PathOf(u)
	base, _, ok := notification.CutPath(path, e.Namespace, e.Name)
	switch {
	case !ok:
		return nil
	case base == "":
		return []string{path}
	default:
		return []string{path, path[len(base):]}
	}
}

// Guessable reports whether anybody can guess a path of the endpoint's who knows its name. No endpoint has none else.
func (e *Endpoint) Guessable(path string) bool {
	if e == nil {
		return true
	}
	_, token, _ := notification.CutPath(path, e.Key.Namespace, e.Key.Name)
	return token == ""
}

// paths are those at which an endpoint is served now: that of its URL, and those that Cloudinary has been told by the triggers that count for
// it, which move one after the other. The manager wrote both, and nobody else can.
func paths(e *v1alpha1.NotificationEndpoint, triggers []*KeptTrigger) []string {
	all := append([]string{}, pathsAt(e.Status.URL, e)...)
	for _, t := range triggers {
		for _, address := range t.urls {
			if len(all) < maxPaths && address != e.Status.URL {
				all = append(all, without(pathsAt(address, e), all)...)
			}
		}
	}
	return all[:min(len(all), maxPaths)]
}

// without are the paths that others do not have.
func without(paths, others []string) []string {
	return slices.DeleteFunc(paths, func(path string) bool { return slices.Contains(others, path) })
}

// formerPaths are the paths before that are served a while longer: Cloudinary tries again at the address that it began with.
func formerPaths(was, is *Config, now time.Time) []FormerPath {
	all := slices.Clone(was.FormerPaths)
	for _, path := range was.Paths {
		all = append(all, FormerPath{Path: path})
	}
	all = slices.DeleteFunc(all, func(f FormerPath) bool {
		return slices.Contains(is.Paths, f.Path) || (!f.Until.IsZero() && !now.Before(f.Until))
	})
	for i := range all {
		// Without an address the endpoint has no other one: what there was is still told to Cloudinary.
		if all[i].Until.IsZero() && len(is.Paths) > 0 {
			all[i].Until = now.Add(memory).UTC().Round(0) // as it is read back
		}
	}
	if len(all) == 0 {
		return nil
	}
	return all[max(0, len(all)-maxFormerPaths):]
}

// servedAt are all paths that count now, and when the first of them counts no longer, or zero.
func (c *Config) servedAt(now time.Time) (paths []string, until time.Time) {
	paths = slices.Clone(c.Paths)
	for _, f := range c.FormerPaths {
		if f.Until.IsZero() || now.Before(f.Until) {
			paths = append(paths, f.Path)
			until = earlier(until, f.Until)
		}
	}
	return paths, until
}
