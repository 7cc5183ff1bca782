import java.text.SimpleDateFormat;
import java.util.*;
import org.quartz.CronExpression;

/** Prints, for each line "zone|start|expression" of stdin, the next five fire times in UTC, or ERROR. */
public class QuartzVectors {
    public static void main(String[] args) throws Exception {
        SimpleDateFormat utc = new SimpleDateFormat("yyyy-MM-dd'T'HH:mm:ss'Z'");
        utc.setTimeZone(TimeZone.getTimeZone("UTC"));
        Scanner lines = new Scanner(System.in);
        while (lines.hasNextLine()) {
            String[] parts = lines.nextLine().split("\\|");
            StringBuilder out = new StringBuilder();
            try {
                CronExpression cron = new CronExpression(parts[2]);
                cron.setTimeZone(TimeZone.getTimeZone(parts[0]));
                Date at = utc.parse(parts[1]);
                for (int n = 0; n < 5; n++) {
                    at = cron.getTimeAfter(at);
                    if (at == null) break;
                    out.append(n == 0 ? "" : ",").append(utc.format(at));
                }
            } catch (Exception error) {
                out.append("ERROR");
            }
            System.out.println(out);
        }
    }
}
