// SPDX-License-Identifier: Apache-2.0

package receiverproof

import (
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/notification"
	"github.com/cloudinary-operator/cloudinary-operator/internal/verification"
)

// The endpoints. The quiet one is in a namespace of its own, and gets little: nobody else takes its share.
var (
	busy1 = types.NamespacedName{Namespace: "shop", Name: "media"}
	busy2 = types.NamespacedName{Namespace: "shop", Name: "ads"}
	quiet = types.NamespacedName{Namespace: "blog", Name: "site"}
)

// The targets' names.
const (
	ordersTarget = "orders"
	searchTarget = "search" // takes uploads alone
	extraTarget  = "extra"  // comes and goes
	eventTarget  = "events"
)

// The Services, and where they are. Two endpoints have one of them.
var services = map[string]string{
	"shop/orders": "10.0.0.1", "shop/search": "10.0.0.2", "shop/extra": "10.0.0.3", "blog/pages": "10.0.0.4",
}

// world is what people have set up.
type world struct {
	specs          map[types.NamespacedName]*v1alpha1.NotificationEndpoint
	keys           []verification.Key
	keysFrom       map[string]time.Time // since when a key counts, by id
	keysUntil      map[string]time.Time
	retryMaxAge    time.Duration
	maxAges        map[types.NamespacedName]time.Duration
	uids           int
	targetGone     map[destination]time.Time
	endpointGone   map[types.NamespacedName]time.Time
	discarding     int
	discardedAt    time.Time
	clockSetAt     time.Time // last; zero: never
	evictions      int
	backupAt       time.Time
	backup         *vfs.MemFS
	maxAgeRaisedAt time.Time
	anewAt         map[types.NamespacedName]time.Time
	unclean        bool // a process ended without saving its totals
}

// tightLimit is a limit that two endpoints fill with the 16 notifications that each may have in any case.
const tightLimit = 24

// settle sets the world up.
func (h *history) settle(c *chance) {
	h.world = world{
		specs: map[types.NamespacedName]*v1alpha1.NotificationEndpoint{}, keysFrom: map[string]time.Time{}, keysUntil: map[string]time.Time{},
		retryMaxAge: pick(c, 12*time.Minute, 45*time.Minute, 72*time.Hour), maxAges: map[types.NamespacedName]time.Duration{},
		targetGone: map[destination]time.Time{}, endpointGone: map[types.NamespacedName]time.Time{}, anewAt: map[types.NamespacedName]time.Time{},
	}
	h.knobs.maxInFlight, h.knobs.maxConnections = pick(c, 8, 64), pick(c, 24, 128)
	if c.one(4) {
		h.knobs.maxNotifications = pick(c, tightLimit, 150)
	}
	if c.one(8) {
		h.knobs.maxKeys = 40
	}
	h.knobs.large = c.one(5)
	h.cloud = &cloudinary{h: h, sha256: c.one(2)}
	for name, ip := range services {
		key := namespacedName(name)
		h.api.serviceAt(key.Namespace, key.Name, ip)
		t := &target{h: h, service: name, address: ip + ":80", chance: newChance(h.seed, name), mood: well, well: time.Now()}
		h.targets[t.address] = t
	}
	h.addKey()
	h.cloud.key = signingKey{h.keys[0].ID, h.keys[0].Secret}
	maxAge := pick(c, 20*time.Minute, 2*time.Hour)
	h.addEndpoint(busy1, maxAge, ordersTarget, searchTarget, eventTarget)
	h.addEndpoint(busy2, maxAge, ordersTarget)
	h.addEndpoint(quiet, maxAge, "pages")
	for i, at := range []types.NamespacedName{busy1, busy2, quiet} {
		h.api.put(triggersResource, &v1alpha1.CloudinaryTrigger{
			TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "CloudinaryTrigger"},
			ObjectMeta: metav1.ObjectMeta{Namespace: at.Namespace, Name: at.Name, UID: types.UID(fmt.Sprint("trigger", i)), Generation: 1},
			Spec:       v1alpha1.CloudinaryTriggerSpec{EndpointRef: v1alpha1.EndpointReference{Name: at.Name}, EventTypes: []string{"all"}},
		})
	}
}

func namespacedName(text string) types.NamespacedName {
	for i := range text {
		if text[i] == '/' {
			return types.NamespacedName{Namespace: text[:i], Name: text[i+1:]}
		}
	}
	return types.NamespacedName{Name: text}
}

func (h *history) addEndpoint(at types.NamespacedName, maxAge time.Duration, targets ...string) {
	h.uids++
	e := &v1alpha1.NotificationEndpoint{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "NotificationEndpoint"},
		ObjectMeta: metav1.ObjectMeta{Namespace: at.Namespace, Name: at.Name, UID: types.UID(fmt.Sprint("endpoint", h.uids)), Generation: 1},
		Spec: v1alpha1.NotificationEndpointSpec{
			CredentialsSecretRef: v1alpha1.LocalSecretReference{Name: "cloudinary"},
			Receiver: &v1alpha1.ReceiverSpec{
				Verification: &v1alpha1.Verification{MaxAge: v1alpha1.Duration(maxAge.String())},
				Retry:        &v1alpha1.RetryPolicy{MaxAge: v1alpha1.Duration(h.retryMaxAge.String())},
			},
		},
		Status: v1alpha1.NotificationEndpointStatus{
			URL:         "https://receiver.example" + notification.Path(at.Namespace, at.Name),
			Environment: &v1alpha1.EnvironmentStatus{APIBase: environment.APIBase, CloudName: environment.CloudName},
		},
	}
	for _, name := range targets {
		e.Spec.Receiver.DeliverTo = append(e.Spec.Receiver.DeliverTo, targetOf(at, name))
	}
	h.mu.Lock()
	h.maxAges[at] = maxAge
	h.mu.Unlock()
	h.specs[at] = e
	h.api.put(endpointsResource, e.DeepCopy())
}

func targetOf(at types.NamespacedName, name string) v1alpha1.DeliveryTarget {
	if name == eventTarget {
		return v1alpha1.DeliveryTarget{Name: name, Event: &v1alpha1.EventTarget{}}
	}
	t := v1alpha1.DeliveryTarget{Name: name, Service: &v1alpha1.ServiceTarget{
		Name: name, Port: intstr.FromInt32(80), Path: destination{at.Namespace, at.Name, name}.path(),
		Timeout: v1alpha1.Duration(targetTimeout.String()),
	}}
	if name == searchTarget {
		t.EventTypes = []string{"upload"}
	}
	return t
}

// change writes an endpoint as people have changed its spec. The receiver's part of its status stays.
func (h *history) change(at types.NamespacedName, how func(*v1alpha1.NotificationEndpoint)) {
	h.api.mu.Lock()
	defer h.api.mu.Unlock()
	is, ok := h.api.objects[endpointsResource][at].(*v1alpha1.NotificationEndpoint)
	if !ok {
		return
	}
	is = is.DeepCopy()
	is.Generation++
	how(is)
	h.specs[at] = is.DeepCopy()
	h.api.putLocked(endpointsResource, is)
}

var environment = verification.Environment{APIBase: "https://api.cloudinary.com", CloudName: "demo"}

func (h *history) addKey() {
	n := len(h.keys) + 1
	k := verification.Key{ID: fmt.Sprint(n), Secret: fmt.Sprint("secret-", n), Sources: []string{"blog/cloudinary", "shop/cloudinary"}}
	h.keys = append(h.keys, k)
	h.mu.Lock()
	h.keysFrom[k.ID] = time.Now()
	h.mu.Unlock()
	h.putKeys()
}

func (h *history) putKeys() {
	raw, err := verification.Keys{Environment: environment, Keys: h.keys}.Encode()
	if err != nil {
		panic(err)
	}
	h.api.put(secretsResource, &corev1.Secret{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
		ObjectMeta: metav1.ObjectMeta{Namespace: ownNamespace, Name: verification.SecretName},
		Data:       map[string][]byte{verification.EntryName(environment): raw},
	})
}

func (h *history) pathOf(at types.NamespacedName) string {
	return notification.Path(at.Namespace, at.Name)
}

func (h *history) anyEndpoint(c *chance) types.NamespacedName {
	return pick(c, busy1, busy1, busy1, busy2, busy2, quiet)
}

// alwaysFor are the targets that a note has to be for: they neither come nor go.
func (h *history) alwaysFor(n *note) []string {
	switch n.endpoint {
	case quiet:
		return []string{"pages"}
	case busy2:
		return []string{ordersTarget}
	}
	if n.event == "upload" {
		return []string{ordersTarget, searchTarget, eventTarget}
	}
	return []string{ordersTarget, eventTarget}
}

// keyCounts reports whether a key counted while a request was under way.
func (h *history) keyCounts(k signingKey, r *reply) bool {
	from, known := h.keysFrom[k.id]
	until, ends := h.keysUntil[k.id]
	return known && !from.After(r.end) && (!ends || !h.clockSetAt.IsZero() || r.begun.Before(until.Add(2*time.Second)))
}

// leastAge is how old a signature was at least by the receiver's clock when it was judged; 0 if that is not certain.
func (h *history) leastAge(signed time.Time, r *reply) time.Duration {
	if !h.clockSetAt.IsZero() && !h.clockSetAt.Before(r.begun) {
		return 0
	}
	return r.begun.Add(time.Duration(h.clock.ahead.Load()) * time.Second).Sub(signed)
}

func (h *history) longestAge(at types.NamespacedName, _ *reply) time.Duration { return h.maxAges[at] }
