package curve_test

import (
	"fmt"
	"log"

	"github.com/zcurve/zcurve/curve"
)

// A whole handshake and one message, with both sides in one place. In a real
// program the commands go over a connection; package zmtp does all of this.
func Example() {
	serverKeys, clientKeys := curve.GenerateKey(), curve.GenerateKey()
	server, err := curve.NewServer(serverKeys) // one for all connections
	check(err)
	defer server.Close()

	// The client knows the server's public key.
	client, err := curve.NewClient(clientKeys, serverKeys.Public())
	check(err)
	defer client.Close()
	hello, err := client.Hello(nil)
	check(err)

	welcome, counter, err := server.Welcome(nil, hello)
	check(err)

	initiate, err := client.HandleWelcome(nil, welcome, []byte("\x0bSocket-Type\x00\x00\x00\x03REQ"))
	check(err)

	peer, err := server.Initiate(counter, initiate)
	check(err)
	defer peer.Close()
	if peer.Key() != clientKeys.Public() {
		// This is where the server decides. Send what Error makes, and close.
		command, err := peer.Error(nil, "400")
		check(err)
		fmt.Printf("%q\n", command)
		return
	}
	ready, serverSession, err := peer.Ready(nil, []byte("\x0bSocket-Type\x00\x00\x00\x03REP"))
	check(err)
	defer serverSession.Close()

	metadata, clientSession, err := client.HandleReady(ready)
	check(err)
	defer clientSession.Close()
	fmt.Printf("server says %q\n", metadata)

	message, err := clientSession.Seal(nil, curve.FlagMore, []byte("pay 100 to bob"))
	check(err)
	payload, flags, err := serverSession.Open(nil, message)
	check(err)
	fmt.Printf("%d octets on the wire, MORE %v: %s\n", len(message), flags&curve.FlagMore != 0, payload)

	// The same message again is a replay.
	_, _, err = serverSession.Open(nil, message)
	fmt.Println(err)

	// Output:
	// server says "\vSocket-Type\x00\x00\x00\x03REP"
	// 47 octets on the wire, MORE true: pay 100 to bob
	// curve: MESSAGE: counter is not greater than the last
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
