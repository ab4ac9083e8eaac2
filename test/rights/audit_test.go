// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// request is one line of the audit log.
type request struct {
	Stage string `json:"stage"`
	Verb  string `json:"verb"`
	User  struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		Group       string `json:"apiGroup"`
		Resource    string `json:"resource"`
		Subresource string `json:"subresource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
	} `json:"objectRef"`
	URI    string `json:"requestURI"`
	Status struct {
		Code    int    `json:"code"`
		Message string `json:"message"`
	} `json:"responseStatus"`
}

func (r *request) resource() string {
	if r.Object.Subresource == "" {
		return r.Object.Resource
	}
	return r.Object.Resource + "/" + r.Object.Subresource
}

// refused reports whether a role or a policy was in the way. A policy's refusal is an invalid request.
func (r *request) refused() bool {
	return slices.Contains([]int{http.StatusUnauthorized, http.StatusForbidden, http.StatusUnprocessableEntity}, r.Status.Code)
}

// readAudit reads what a user asked for so far. A line that is being written is left out.
func readAudit(path, user string) ([]request, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	raw = raw[:bytes.LastIndexByte(raw, '\n')+1]
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, len(raw)+1)
	var requests []request
	for lines.Scan() {
		var r request
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return nil, fmt.Errorf("read the audit log: %w", err)
		}
		if r.User.Username == user {
			requests = append(requests, r)
		}
	}
	return requests, lines.Err()
}

// right is one verb on one resource, as a role grants it.
type right struct {
	role, group, resource, verb string
	namespace                   string   // empty: everywhere
	names                       []string // none: all
}

// String is what a person would look for in config/.
func (r right) String() string {
	resource := r.resource
	if r.group != "" {
		resource += "." + r.group
	}
	return fmt.Sprintf("%s: %s %s", r.role, r.verb, resource)
}

func (r right) covers(asked *request) bool {
	return r.verb == asked.Verb && r.group == asked.Object.Group && r.resource == asked.resource() &&
		(r.namespace == "" || r.namespace == asked.Object.Namespace) &&
		(len(r.names) == 0 || slices.Contains(r.names, asked.Object.Name))
}

// rightsOf is what the installed roles grant a service account.
func rightsOf(t *testing.T, objects []unstructured.Unstructured, account string) []right {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{}
	var rights []right
	for _, o := range objects {
		if kind := o.GetKind(); kind == "Role" || kind == "ClusterRole" {
			role := decode[rbacv1.ClusterRole](t, o) // both have the same rules
			rules[kind+" "+role.Name] = role.Rules
		}
	}
	for _, o := range objects {
		if kind := o.GetKind(); kind != "RoleBinding" && kind != "ClusterRoleBinding" {
			continue
		}
		binding := decode[rbacv1.RoleBinding](t, o)
		bound := func(s rbacv1.Subject) bool {
			return s.Kind == rbacv1.ServiceAccountKind && s.Name == account && s.Namespace == system
		}
		if slices.ContainsFunc(binding.Subjects, bound) {
			rights = append(rights, expand(binding.RoleRef.Name, binding.Namespace, rules[binding.RoleRef.Kind+" "+binding.RoleRef.Name])...)
		}
	}
	if len(rights) == 0 {
		t.Fatalf("no role is bound to %s", account)
	}
	return rights
}

func expand(role, namespace string, rules []rbacv1.PolicyRule) []right {
	var rights []right
	for _, rule := range rules {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				for _, verb := range rule.Verbs {
					rights = append(rights, right{role, group, resource, verb, namespace, rule.ResourceNames})
				}
			}
		}
	}
	return rights
}

func decode[T any](t *testing.T, o unstructured.Unstructured) T {
	t.Helper()
	var into T
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &into); err != nil {
		t.Fatalf("read %s %s: %v", o.GetKind(), o.GetName(), err)
	}
	return into
}

// narrowness orders rights that cover the same request.
func (r right) narrowness() int {
	n := 0
	if len(r.names) > 0 {
		n += 2
	}
	if r.namespace != "" {
		n++
	}
	return n
}

// unused are the rights that no request needed, each once. A request needs the narrowest right that covers it: what is done to one Secret
// does not call for a right to all of them.
func unused(rights []right, requests []request) []string {
	used := map[string]bool{}
	for _, asked := range requests {
		narrowest := -1
		for _, r := range rights {
			if r.covers(&asked) {
				narrowest = max(narrowest, r.narrowness())
			}
		}
		for _, r := range rights {
			if r.covers(&asked) && r.narrowness() == narrowest {
				used[r.String()] = true
			}
		}
	}
	var left []string
	for _, r := range rights {
		if !used[r.String()] {
			left = append(left, r.String())
		}
	}
	slices.Sort(left)
	return slices.Compact(left)
}

func TestUnusedRightsAreFound(t *testing.T) {
	asked := func(verb, resource, namespace, name string) request {
		var r request
		r.Verb, r.Object.Namespace, r.Object.Name = verb, namespace, name
		r.Object.Resource, r.Object.Subresource, _ = strings.Cut(resource, "/")
		return r
	}
	secrets := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get", "patch"}, ResourceNames: []string{"keys"}}}
	for name, test := range map[string]struct {
		rights   []right
		requests []request
		want     []string
	}{
		"all are used":  {expand("r", "", secrets), []request{asked("get", "secrets", "shop", "keys"), asked("patch", "secrets", "a", "keys")}, nil},
		"a verb is not": {expand("r", "", secrets), []request{asked("get", "secrets", "shop", "keys")}, []string{"r: patch secrets"}},
		"the name is another": {
			expand("r", "", secrets), []request{asked("get", "secrets", "shop", "other"), asked("patch", "secrets", "shop", "keys")}, []string{"r: get secrets"},
		},
		"the namespace is another": {
			expand("r", "shop", secrets), []request{asked("get", "secrets", "other", "keys"), asked("patch", "secrets", "shop", "keys")}, []string{"r: get secrets"},
		},
		"a narrower right is enough": {
			append(expand("all", "", secrets), right{role: "wide", resource: "secrets", verb: "get"}),
			[]request{asked("get", "secrets", "shop", "keys"), asked("patch", "secrets", "shop", "keys")},
			[]string{"wide: get secrets"},
		},
		"a subresource is another resource": {
			[]right{{role: "r", resource: "things/status", verb: "patch"}}, []request{asked("patch", "things", "shop", "a")}, []string{"r: patch things/status"},
		},
		"a group is another": {
			[]right{{role: "r", group: "events.k8s.io", resource: "events", verb: "create"}},
			[]request{asked("create", "events", "shop", "a")},
			[]string{"r: create events.events.k8s.io"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := gocmp.Diff(test.want, unused(test.rights, test.requests)); diff != "" {
				t.Errorf("unused rights (-want +got):\n%s", diff)
			}
		})
	}
}

// needed are the rights that are granted for another reason than a request of the program's own.
func needed() map[string]string {
	const group = ".notifications.cloudinary.dev"
	exceptions := map[string]string{
		"patch events.events.k8s.io":                   "client-go counts up an Event that it would have to repeat, which takes as long as nothing else of the object changes",
		"update cloudinarytriggers/finalizers" + group: "by this the policy of config/receiver/rbac/status_policy.yaml tells the manager from others",
	}
	withRole := map[string]string{}
	for right, why := range exceptions {
		withRole[prefix+"manager: "+right] = why
	}
	return withRole
}

// refusals fails for each request that was refused, and returns all of them.
func (c *cluster) refusals(account string) []request {
	c.Helper()
	requests, err := readAudit(c.audit, "system:serviceaccount:"+system+":"+account)
	if err != nil {
		c.Error(err)
	}
	told := map[string]bool{}
	for _, r := range requests {
		what := fmt.Sprintf("%s %s (%d): %s", r.Verb, r.URI, r.Status.Code, r.Status.Message)
		if r.refused() && !told[what] {
			c.Errorf("%s was refused to %s", account, what)
		}
		told[what] = true
	}
	return requests
}

// checkRights compares what was granted with what was asked for.
func (c *cluster) checkRights(account string) {
	c.Helper()
	requests := c.refusals(account)
	granted := rightsOf(c.T, c.objects, account)
	left := unused(granted, requests)
	exceptions := needed()
	for _, right := range left {
		if why, ok := exceptions[right]; ok {
			c.Logf("granted, and not asked for: %s (%s)", right, why)
			continue
		}
		c.Errorf("granted, and never asked for: %s", right)
	}
	for _, name := range slices.SortedFunc(maps.Keys(exceptions), cmp.Compare) {
		isIt := func(r right) bool { return r.String() == name }
		if strings.HasPrefix(name, account+": ") && !slices.ContainsFunc(granted, isIt) {
			c.Errorf("%q is an exception, and is not granted any more: take it off the list", name)
		}
	}
	c.Logf("%s: %d requests, %d rights", account, len(requests), len(granted))
}
