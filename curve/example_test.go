package curve_test

import (
	"fmt"
	"log"

	"github.com/zcurve/zcurve/curve"
)

// A whole handshake and one message, with both sides in one place. In a program the
// commands travel over a connection; package zmtp does all of this.
func Example() {
	serverKey, alice := curve.GenerateKey(), curve.GenerateKey()
	server, err := curve.NewServer(serverKey) // one for all connections
	check(err)
	defer server.Close()

	// The client knows the server's public key.
	client, err := curve.NewClient(alice, serverKey.Public())
	check(err)
	defer client.Close()
	hello, err := client.Hello(nil)
	check(err)

	handshake := server.Handshake()
	defer handshake.Close()
	welcome, err := handshake.HandleHello(nil, hello)
	check(err)

	initiate, err := client.HandleWelcome(nil, welcome, []byte("\x0bSocket-Type\x00\x00\x00\x03REQ"))
	check(err)

	key, _, err := handshake.HandleInitiate(initiate)
	check(err)
	if key != alice.Public() { // Here the server decides.
		refusal, err := curve.AppendError(nil, "400")
		check(err)
		fmt.Printf("%q\n", refusal) // Send it, and close the connection.
		return
	}
	ready, _, opener, err := handshake.Ready(nil, []byte("\x0bSocket-Type\x00\x00\x00\x03REP"))
	check(err)
	defer opener.Close()

	claims, sealer, _, err := client.HandleReady(ready)
	check(err)
	defer sealer.Close()
	fmt.Printf("the server says %q\n", claims)

	message, err := sealer.Seal(nil, curve.FlagMore, []byte("pay 100 to bob"))
	check(err)
	payload, flags, err := opener.Open(nil, message)
	check(err)
	fmt.Printf("%d bytes on the wire, MORE %v: %s\n", len(message), flags&curve.FlagMore != 0, payload)

	// The same message again is a replay.
	_, _, err = opener.Open(nil, message)
	fmt.Println(err)

	// Output:
	// the server says "\vSocket-Type\x00\x00\x00\x03REP"
	// 47 bytes on the wire, MORE true: pay 100 to bob
	// curve: MESSAGE: counter is not greater than the last
}

func check(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

// A secret key knows its public key, and does not print.
func ExampleSecretKey() {
	text := []byte("JTKVSB%%)wK0E.X)V>+}o?pNmC{O&4W4b!Ni{Lh6") // the example key of libzmq's manual
	key, err := curve.ParseSecretKey(text)
	clear(text)
	check(err)
	fmt.Println(key)
	fmt.Println(key.Public())
	fmt.Println(key.Public().Fingerprint())
	groups := key.Public().FingerprintGroups()
	fmt.Println(groups[:4])
	// Output:
	// [secret]
	// rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7
	// SHA256:UiUB9OemP2Hdd21+1oKRBMgVAiTJW5bZXRioJUnsVdM
	// [21029 00500 59302 16225]
}
