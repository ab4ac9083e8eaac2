// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	toolscache "k8s.io/client-go/tools/cache"
)

// Lists makes the cache's informers. They hold next to nothing of an object until Strip has been
// over it: an object may have 1.5 MB, and a tenant any number of them. An API server that streams
// what is there sends one at a time. Of one that does not, client-go would ask for everything at
// once; here it is read in small pages, and by one informer at a time.
type Lists struct {
	turn sync.Mutex
}

// objectsPerPage is how many objects of a list are in memory as they are at the API server.
const objectsPerPage = 8

// NewInformer is for the field of that name in the cache's options.
func (l *Lists) NewInformer(lw toolscache.ListerWatcher, example runtime.Object, resync time.Duration, indexers toolscache.Indexers) toolscache.SharedIndexInformer {
	from := toolscache.ToListerWatcherWithContext(lw)
	return toolscache.NewSharedIndexInformer(&toolscache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			return l.list(ctx, from, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			return from.WatchWithContext(ctx, o)
		},
	}, example, resync, indexers)
}

// list reads all pages, and keeps of each object what Strip leaves.
func (l *Lists) list(ctx context.Context, from toolscache.ListerWatcherWithContext, o metav1.ListOptions) (runtime.Object, error) {
	all := &metav1.List{}
	for continued, more := "", true; more; more = continued != "" {
		var err error
		if continued, err = l.page(ctx, from, o, continued, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

func (l *Lists) page(ctx context.Context, from toolscache.ListerWatcherWithContext, o metav1.ListOptions, continued string, all *metav1.List) (next string, err error) {
	l.turn.Lock()
	defer l.turn.Unlock()
	// Without a version: for any that is named the API server answers with all objects, whatever
	// the limit.
	o.ResourceVersion, o.ResourceVersionMatch, o.Limit, o.Continue = "", "", objectsPerPage, continued
	list, err := from.ListWithContext(ctx, o)
	if err != nil {
		return "", err //nolint:wrapcheck // the reflector looks for its kind, and says itself what it was on
	}
	head, err := meta.ListAccessor(list)
	if err != nil {
		return "", fmt.Errorf("read the head of a list: %w", err)
	}
	all.ResourceVersion = head.GetResourceVersion()
	err = meta.EachListItemWithAlloc(list, func(object runtime.Object) error {
		left, err := Strip(object)
		if o, ok := left.(runtime.Object); ok && err == nil {
			all.Items = append(all.Items, runtime.RawExtension{Object: o})
		}
		return err
	})
	return head.GetContinue(), err //nolint:wrapcheck // Strip's own
}
