// A client that gets all it needs from a bundle of "zcert bundle": java Bundle.java [BUNDLE]
// It needs JeroMQ 0.6, org.zeromq:jeromq, in the class path.
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.zeromq.SocketType;
import org.zeromq.ZContext;
import org.zeromq.ZMQ;

public class Bundle {
    static final String BUNDLE = "alice.bundle";
    static final Pattern PROPERTY = Pattern.compile("    ([\\w-]+) = ([\"'])(.*)\\2");

    // Returns the values in a bundle, by section and name.
    static Map<String, List<String>> load(String path) throws IOException {
        Map<String, List<String>> found = new HashMap<>();
        String section = "";
        for (String line : Files.readAllLines(Path.of(path))) {
            Matcher property = PROPERTY.matcher(line);
            if (property.matches()) {
                found.computeIfAbsent(section + "." + property.group(1), name -> new ArrayList<>()).add(property.group(3));
            } else if (line.matches("\\w.*")) {
                section = line.strip();
            }
        }
        return found;
    }

    public static void main(String[] args) throws IOException {
        String path = args.length > 0 ? args[0] : BUNDLE;
        Map<String, List<String>> bundle = load(path);
        try (ZContext context = new ZContext()) {
            ZMQ.Socket client = context.createSocket(SocketType.REQ); // the type that fits your service
            client.setCurvePublicKey(key(bundle, "curve.public-key"));
            client.setCurveSecretKey(key(bundle, "curve.secret-key"));
            client.setCurveServerKey(key(bundle, "service.server-key"));
            client.setLinger(0);
            client.setReceiveTimeOut(10_000);
            for (String endpoint : bundle.get("service.endpoint")) {
                client.connect(endpoint);
            }
            client.send("good morning");
            String reply = client.recvStr();
            if (reply == null) {
                System.err.println("no reply within 10 seconds: try zcert probe " + path);
                System.exit(1);
            }
            System.out.println("reply: " + reply);
        }
    }

    static byte[] key(Map<String, List<String>> bundle, String name) {
        return ZMQ.Curve.z85Decode(bundle.get(name).get(0));
    }
}
