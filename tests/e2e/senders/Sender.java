import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/**
 * Posts each line of standard input with Java's own client as it comes: over http:// it offers an
 * upgrade to HTTP/2. Arguments: URL, "hmac" or the name of a header, secret. Prints the status and
 * the body of each answer.
 */
public class Sender {
    public static void main(String[] arguments) throws Exception {
        URI url = URI.create(arguments[0]);
        String method = arguments[1];
        String secret = arguments[2];
        HttpClient client = HttpClient.newHttpClient();
        BufferedReader lines =
                new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            byte[] body = line.getBytes(StandardCharsets.UTF_8);
            HttpRequest.Builder request =
                    HttpRequest.newBuilder(url)
                            .header("Content-Type", "application/json")
                            .header("Idempotency-Key", UUID.randomUUID().toString())
                            .POST(HttpRequest.BodyPublishers.ofByteArray(body));
            if (method.equals("hmac")) {
                long timestamp = System.currentTimeMillis() / 1000;
                Mac mac = Mac.getInstance("HmacSHA256");
                mac.init(new SecretKeySpec(secret.getBytes(StandardCharsets.UTF_8), "HmacSHA256"));
                mac.update((timestamp + ".").getBytes(StandardCharsets.UTF_8));
                String signature = HexFormat.of().formatHex(mac.doFinal(body));
                request.header(
                        "Authorization", "Parley-Signature=t=" + timestamp + ",v1=" + signature);
            } else {
                request.header(method, secret);
            }
            HttpResponse<String> answer =
                    client.send(request.build(), HttpResponse.BodyHandlers.ofString());
            System.out.println(
                    "{\"status\": " + answer.statusCode() + ", \"body\": " + answer.body() + "}");
        }
    }
}
