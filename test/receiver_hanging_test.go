// SPDX-License-Identifier: Apache-2.0

package test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/cloudinary-operator/cloudinary-operator/api/v1alpha1"
	"github.com/cloudinary-operator/cloudinary-operator/internal/testenv"
)

// hole makes a Service, hole, that takes connections and never answers.
func (s *receiverSetting) hole() {
	s.Helper()
	listener, err := (&net.ListenConfig{}).Listen(s.Context(), "tcp", net.JoinHostPort(targetAddress(s.T), "0"))
	s.must(err)
	s.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			c, err := listener.Accept()
			if err != nil {
				return // it was closed
			}
			s.Cleanup(func() { _ = c.Close() })
		}
	}()
	s.service("hole", listener.Addr().String())
}

// A team can have as many targets that hang as it likes, with the largest bodies that there may be. It fills half of what there is for
// notifications on their way, and those of other teams get through.
func TestTargetsThatHangFillNoMemory(t *testing.T) {
	const endpoints, targets, size = 10, 16, 3<<20 - 1
	as := deployedAs(t, "../config/receiver/deployment.yaml")
	for name, value := range as.env {
		t.Setenv(name, value) // the program has the test's environment
	}
	s := newReceiverSetting(t)
	other := s.tenant()
	k := theKey()
	k.Sources = []string{s.namespace + "/cloudinary", other.namespace + "/cloudinary"}
	s.keys(k)
	catalog := s.target()
	s.endpoint("media", toCatalog())
	other.hole()
	var toHole []v1alpha1.DeliveryTarget
	for i := range targets {
		toHole = append(toHole, v1alpha1.DeliveryTarget{
			Name: fmt.Sprint("t", i), Service: &v1alpha1.ServiceTarget{Name: "hole", Port: intstr.FromInt32(80), Timeout: "30s"},
		})
	}
	for i := range endpoints {
		other.endpoint(fmt.Sprint("e", i), toHole...)
	}
	p := s.start()
	memory := testenv.Confine(t, p.Process.Pid, as.memory)
	s.ready(p)
	s.served("media")
	other.served(fmt.Sprint("e", endpoints-1))

	for round := range 2 {
		for i := range endpoints {
			start := fmt.Sprintf(`{"notification_type":"upload","asset_id":"%d-%d","pad":"`, i, round)
			other.send(fmt.Sprint("e", i), signedNow(start+strings.Repeat("x", size-len(start)-2)+`"}`))
		}
	}
	want := map[string]int{}
	for seq, begin := 0, time.Now(); time.Since(begin) < 5*time.Second; seq++ {
		n := upload("bystander", seq)
		want[string(n.body)] = 1
		sent := time.Now()
		s.send("media", n)
		testenv.Eventually(t, maxAnswerTime, func() error {
			if catalog.bodies()[string(n.body)] != 1 {
				return errNot("a notification of another team has not arrived")
			}
			return nil
		})
		if took := time.Since(sent); took > maxAnswerTime {
			t.Errorf("a notification of another team took %s", took)
		}
	}
	s.settled(catalog, want)
	peak := memory.Check(t)
	t.Logf("%d notifications arrived beside %d targets that hang with 3 MiB each; the process had %d MiB at most", len(want), endpoints*targets, peak>>20)
	if most := as.memory / 3; peak > most {
		t.Errorf("the process had %d MiB, and all bodies at once are %d MiB", peak>>20, int64(endpoints)*targets*size>>20)
	}
}
