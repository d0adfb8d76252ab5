package sockets_test

import (
	"fmt"
	"time"

	"github.com/zcurve/zcurve/sockets"
	"github.com/zcurve/zcurve/zmtp"
)

func ExampleEvent() {
	e := sockets.Event{Kind: sockets.Lost, Endpoint: "tcp://192.0.2.1:5555", Err: zmtp.ErrHeartbeat, Retry: 10 * time.Millisecond}
	fmt.Println(e)
	// Output: tcp://192.0.2.1:5555: peer is silent: heartbeat timed out; trying again in 10ms
}
