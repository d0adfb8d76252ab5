package zap_test

import (
	"context"
	"fmt"

	"github.com/zcurve/zcurve/zap"
)

// A handler lets in one CURVE key, and is asked as libzmq asks: in frames.
func Example() {
	alice := [32]byte{1, 2, 3}
	handler := zap.HandlerFunc(func(_ context.Context, req *zap.Request) zap.Reply {
		if key, ok := req.CurveKey(); ok && key == alice {
			return zap.Reply{Status: zap.StatusOK, Text: "OK", UserID: "alice"}
		}
		return zap.Refuse("not alice")
	})

	stranger := [32]byte{4, 5, 6}
	for _, key := range [][32]byte{alice, stranger} {
		request := [][]byte{nil, []byte("1.0"), []byte("1"), []byte("payments"), []byte("192.0.2.1"), nil, []byte("CURVE"), key[:]}
		env, req, _, err := zap.ParseRequest(request)
		if err != nil {
			fmt.Println(err)
			return
		}
		frames, err := zap.AppendReply(nil, env, handler.Handle(context.Background(), req))
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%v: %q\n", req, frames)
	}
	// Output:
	// CURVE from "192.0.2.1" in domain "payments": ["" "1.0" "1" "200" "OK" "alice" ""]
	// CURVE from "192.0.2.1" in domain "payments": ["" "1.0" "1" "400" "not alice" "" ""]
}
